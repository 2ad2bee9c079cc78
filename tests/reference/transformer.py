"""Vaswani et al. 2017, "Attention Is All You Need", as written: NumPy in float64, one vector at a time, slowly.

Weights come from the state of the modules under test (a matrix there is (outputs, inputs), so xW reads W @ x here).
The paper leaves out the biases of the attention's projections; its code, and so the modules, have them.
"""

import itertools
import math

import numpy as np

PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3


def weights_of(module):
    return {name: tensor.detach().double().numpy() for name, tensor in module.state_dict().items()}


def under(weights, name):
    """The weights of a submodule."""
    return {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}


def linear(x, weights, name, rows=slice(None)):
    return weights[f"{name}.weight"][rows] @ x + weights[f"{name}.bias"][rows]


def softmax(logits):
    exponentials = [math.exp(logit - max(logits)) for logit in logits]
    return [exponential / sum(exponentials) for exponential in exponentials]


def log_softmax(logits):
    largest = max(logits)
    log_normaliser = largest + math.log(sum(math.exp(logit - largest) for logit in logits))
    return np.array([logit - log_normaliser for logit in logits])


# Section 3.2.1, equation 1: Attention(Q, K, V) = softmax(QKᵀ/√d_k)V


def attention_weights(queries, keys, visible):
    """Row t: softmax(q_t·k_s/√d_k) over the s that t may see, and 0 elsewhere."""
    weights = np.zeros((len(queries), len(keys)))
    for t, query in enumerate(queries):
        seen = [s for s in range(len(keys)) if visible[t][s]]
        if seen:
            weights[t, seen] = softmax([query @ keys[s] / math.sqrt(len(query)) for s in seen])
    return weights


def attention(queries, keys, values, visible):
    weights = attention_weights(queries, keys, visible)
    return [sum(weights[t, s] * values[s] for s in range(len(values))) for t in range(len(queries))]


def everything(queries, keys):
    return np.ones((len(queries), len(keys)), dtype=bool)


def no_later_one(queries, keys):
    """Section 3.2.3: prevent leftward information flow."""
    return [[s <= t for s in range(len(keys))] for t in range(len(queries))]


# Section 3.2.2: MultiHead(Q, K, V) = Concat(head_1, ..., head_h)W^O, head_i = Attention(QW_i^Q, KW_i^K, VW_i^V)


def multi_head(states, memory, project, output, heads, visible):
    """`project(kind, x, i)` is x's query, key or value in head i."""
    outputs = []
    for head in range(heads):
        queries = [project("query", x, head) for x in states]
        keys = [project("key", x, head) for x in memory]
        values = [project("value", x, head) for x in memory]
        outputs.append(attention(queries, keys, values, visible))
    return [output(np.concatenate([outputs[head][t] for head in range(heads)])) for t in range(len(states))]


def self_attention(states, weights, heads, visible):
    d_model = len(states[0])
    d_k = d_model // heads

    def project(kind, x, head):
        start = ["query", "key", "value"].index(kind) * d_model + head * d_k
        return linear(x, weights, "query_key_value", slice(start, start + d_k))

    return multi_head(states, states, project, lambda x: linear(x, weights, "output"), heads, visible)


def cross_attention(states, memory, weights, heads, visible):
    d_model = len(states[0])
    d_k = d_model // heads

    def project(kind, x, head):
        start = {"query": 0, "key": 0, "value": d_model}[kind] + head * d_k
        return linear(x, weights, "query" if kind == "query" else "key_value", slice(start, start + d_k))

    return multi_head(states, memory, project, lambda x: linear(x, weights, "output"), heads, visible)


# Section 3.3, equation 2: FFN(x) = max(0, xW_1 + b_1)W_2 + b_2


def feed_forward(x, weights):
    return linear(np.maximum(0, linear(x, weights, "expand")), weights, "contract")


# Section 3.1: LayerNorm(x + Sublayer(x)); norm_first is x + Sublayer(LayerNorm(x))


def layer_norm(x, weights, name, epsilon=1e-6):
    mean = sum(x) / len(x)
    variance = sum((x - mean) ** 2) / len(x)
    return weights[f"{name}.weight"] * (x - mean) / math.sqrt(variance + epsilon) + weights[f"{name}.bias"]


def residual(states, sublayer, weights, name, norm_first):
    def norm(x):
        return layer_norm(x, weights, f"{name}.norm")

    if norm_first:
        return [x + y for x, y in zip(states, sublayer([norm(x) for x in states]), strict=True)]
    return [norm(x + y) for x, y in zip(states, sublayer(states), strict=True)]


def encoder_layer(states, weights, heads, *, visible=None, norm_first=False):
    visible = everything(states, states) if visible is None else visible
    attend = under(weights, "attention")
    expand = under(weights, "feed_forward")
    states = residual(
        states, lambda x: self_attention(x, attend, heads, visible), weights, "attention_residual", norm_first
    )
    return residual(
        states, lambda x: [feed_forward(each, expand) for each in x], weights, "feed_forward_residual", norm_first
    )


def decoder_layer(states, memory, weights, heads, *, memory_visible=None, norm_first=False):
    past = no_later_one(states, states)
    seen = everything(states, memory) if memory_visible is None else memory_visible
    attend, cross = under(weights, "attention"), under(weights, "cross_attention")
    expand = under(weights, "feed_forward")
    states = residual(
        states, lambda x: self_attention(x, attend, heads, past), weights, "attention_residual", norm_first
    )
    states = residual(
        states,
        lambda x: cross_attention(x, memory, cross, heads, seen),
        weights,
        "cross_attention_residual",
        norm_first,
    )
    return residual(
        states, lambda x: [feed_forward(each, expand) for each in x], weights, "feed_forward_residual", norm_first
    )


# Section 3.5


def positions(length, d_model, *, start=0):
    """PE(pos, 2i) = sin(pos/10000^(2i/d_model)), PE(pos, 2i+1) = cos(pos/10000^(2i/d_model))."""
    encodings = np.zeros((length, d_model))
    for row in range(length):
        for i in range(d_model // 2):
            encodings[row, 2 * i] = math.sin((start + row) / 10000 ** (2 * i / d_model))
            encodings[row, 2 * i + 1] = math.cos((start + row) / 10000 ** (2 * i / d_model))
    return encodings


def positions_of_the_published_code(length, d_model, *, start=0):
    """Tensor2Tensor: wavelengths from 2π to 10000·2π in d/2 - 1 equal ratios; the sines first, then the cosines."""
    half = d_model // 2
    ratio = 10000 ** (1 / (half - 1))
    return np.array(
        [
            [wave((start + row) / ratio**i) for wave in (math.sin, math.cos) for i in range(half)]
            for row in range(length)
        ]
    )


# Sections 3.1 and 3.4


def embed(tokens, weights, encodings):
    """Section 3.4: in the embedding layers, the weights are multiplied by √d_model."""
    table = weights["embedding"]
    return [table[token] * math.sqrt(table.shape[1]) + encodings[t] for t, token in enumerate(tokens)]


def encoder_decoder_logits(weights, source, inputs, *, layers, heads, norm_first=False, encodings):
    """Row t: scores of what follows inputs[:t + 1]; the pre-softmax matrix is the embedding's (section 3.4)."""
    memory = embed(source, weights, encodings)
    for n in range(layers):
        memory = encoder_layer(memory, under(weights, f"encoder.{n}"), heads, norm_first=norm_first)
    if norm_first:
        memory = [layer_norm(x, weights, "encoder_norm") for x in memory]
    states = embed(inputs, weights, encodings)
    for n in range(layers):
        states = decoder_layer(states, memory, under(weights, f"decoder.{n}"), heads, norm_first=norm_first)
    if norm_first:
        states = [layer_norm(x, weights, "decoder_norm") for x in states]
    return np.array([weights["embedding"] @ x for x in states])


# Section 5.3, equation 3


def learning_rate(step, d_model, warmup_steps):
    return d_model**-0.5 * min(step**-0.5, step * warmup_steps**-1.5)


# Section 5.4, after Szegedy et al. 2016, section 7: q'(k) = (1 - ε)δ(k, y) + ε/K


def smoothed_target(gold, size, smoothing):
    return [(1 - smoothing) * (k == gold) + smoothing / size for k in range(size)]


def smoothed_cross_entropy(logits, gold, smoothing):
    """KL(q ‖ p) + H(q), each summed term by term, with 0·log 0 = 0."""
    q, log_p = smoothed_target(gold, len(logits), smoothing), log_softmax(logits)
    divergence = sum(share * (math.log(share) - log_p[k]) for k, share in enumerate(q) if share)
    entropy = -sum(share * math.log(share) for share in q if share)
    return divergence + entropy


# Section 6.1, after Wu et al. 2016, equation 14: s(Y, X) = log P(Y|X) / lp(Y), lp(Y) = (5 + |Y|)^α / (5 + 1)^α


def length_penalty(length, alpha):
    return (5 + length) ** alpha / (5 + 1) ** alpha


def may_follow(length, limit, vocabulary):
    """Pieces that may stand at place `length` (1, 2, ...) of an output of at most `limit`, END counted."""
    return [END] if length == limit else [END, *range(END + 1, vocabulary)]


def exhaustive_search(next_log_probabilities, *, vocabulary, limit, alpha):
    """Every output there is, best first, as (score, tokens without END, log P)."""
    found = []
    for length in range(1, limit + 1):
        for tokens in itertools.product(range(END + 1, vocabulary), repeat=length - 1):
            output = [*tokens, END]
            log_p = sum(next_log_probabilities(tokens[:t])[output[t]] for t in range(length))
            found.append((log_p / length_penalty(length, alpha), list(tokens), log_p))
    return sorted(found, reverse=True)


def beam_search(next_log_probabilities, *, vocabulary, beam, limit, alpha):
    """The textbook's search, to the limit: `beam` alive, `beam` finished, 2·beam candidates (greedy with 1: one)."""
    alive, finished = [(0.0, ())], []
    for length in range(1, limit + 1):
        candidates = [
            (log_p + next_log_probabilities(tokens)[token], (*tokens, token))
            for log_p, tokens in alive
            for token in may_follow(length, limit, vocabulary)
        ]
        candidates = sorted(candidates, reverse=True)[: 2 * beam if beam > 1 else 1]
        finished += [
            (log_p / length_penalty(length, alpha), list(tokens[:-1]), log_p)
            for log_p, tokens in candidates
            if tokens[-1] == END
        ]
        finished = sorted(finished, reverse=True)[:beam]
        alive = [(log_p, tokens) for log_p, tokens in candidates if tokens[-1] != END][:beam]
    return finished

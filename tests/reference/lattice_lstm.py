"""The lattice LSTM of Zhang & Yang 2018, section 3.2, one sentence and one equation at a time.

Parameters are those of `latticework.nn.LatticeLSTM`; gradients are torch's own, of these lines.
"""

import torch


def lattice_lstm(parameters, characters, words, arcs, *, forget="coupled"):
    """States (time, 2 hidden), and the weights α: {time: per dimension} and [per dimension] of each arc, by direction.

    `arcs` are (begin, end) with `end` exclusive, in the order of the rows of `words`.
    """
    time = len(characters)
    mirrored = [(time - end, time - begin) for begin, end in arcs]
    runs = []
    for direction, (sentence, spans) in enumerate([(characters, arcs), (characters.flip(0), mirrored)]):
        own = {name: value[direction] for name, value in parameters.items()}
        runs.append(one_direction(own, sentence, words, spans, forget))
    (forward, *weights), (backward, *mirrored_weights) = runs
    states = torch.cat([torch.stack(forward), torch.stack(backward).flip(0)], -1) if time else characters.new_zeros(0)
    mirrored_weights[0] = {time - 1 - j: alpha for j, alpha in mirrored_weights[0].items()}
    return states, [weights, mirrored_weights]


def one_direction(parameters, characters, words, arcs, forget):
    W_c, U_c, b_c = (parameters[f"char_{name}"] for name in ("input", "hidden", "bias"))
    W_w, U_w, b_w = (parameters[f"word_{name}"] for name in ("input", "hidden", "bias"))
    W_l, U_l, b_l = (parameters[f"extra_{name}"] for name in ("input", "cell", "bias"))
    size = len(b_l)
    h, c, alpha_of_char, alpha_of_arc = [], [], {}, [None] * len(arcs)
    for j, x in enumerate(characters):
        h_before = h[j - 1] if j else x.new_zeros(size)
        c_before = c[j - 1] if j else x.new_zeros(size)
        # eq. 11: the gates of the character
        z = W_c @ x + U_c @ h_before + b_c
        *gates, new = z.split(size)
        *f, o, i = map(torch.sigmoid, gates)
        new = torch.tanh(new)
        ending = [k for k, (_, end) in enumerate(arcs) if end - 1 == j]
        if not ending:
            c_j = (1 - i if forget == "coupled" else f[0]) * c_before + i * new
            alpha_of_char[j] = torch.ones(size, dtype=x.dtype)
        else:
            cells, gates = {}, {}
            for k in ending:
                b = arcs[k][0]
                # eq. 13: the cell of the word, which has no output gate
                f_w, i_w, new_w = (W_w @ words[k] + U_w @ h[b] + b_w).split(size)
                cells[k] = torch.sigmoid(f_w) * c[b] + torch.sigmoid(i_w) * torch.tanh(new_w)
                # eq. 14: the extra gate of the word, which sees the character where it ends
                gates[k] = torch.sigmoid(W_l @ x + U_l @ cells[k] + b_l)
            # eq. 16: gates normalised to 1, in each dimension
            total = torch.exp(i) + sum(torch.exp(gates[k]) for k in ending)
            alpha_of_char[j] = torch.exp(i) / total
            for k in ending:
                alpha_of_arc[k] = torch.exp(gates[k]) / total
            # eq. 15: the last cell does not enter
            c_j = alpha_of_char[j] * new + sum(alpha_of_arc[k] * cells[k] for k in ending)
        c.append(c_j)
        h.append(o * torch.tanh(c_j))
    return h, alpha_of_char, alpha_of_arc

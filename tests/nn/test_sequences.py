import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.core import datasets
from latticework.nn.sequences import EncodedText, token_batches
from latticework.seq2seq.vocabulary import Vocabulary
from latticework.translation.presets import PRESETS

some = settings(max_examples=150)
texts = st.lists(st.lists(st.integers(4, 1000), max_size=7), max_size=8)


def random(seed=0):
    return np.random.default_rng(seed)


def padded_and_real(lengths, batches):
    """Tokens of one side as they are computed, and as they are."""
    return sum(len(batch) * int(lengths[batch].max()) for batch in batches), int(lengths.sum())


def padding_shares(sides, batches):
    """Padding as a share of what is computed: of each side, then in total."""
    counts = [padded_and_real(side, batches) for side in sides]
    padded, real = (sum(each) for each in zip(*counts, strict=True))
    return [1 - mine / computed for computed, mine in counts], 1 - real / padded


@some
@given(sequences=texts, data=st.data())
def test_encoded_text_behaves_like_a_list_of_lists(sequences, data):
    text = EncodedText.from_sequences(sequences)
    count = len(sequences)
    assert len(text) == count
    assert text.lengths.tolist() == [len(sequence) for sequence in sequences]
    assert [text[i].tolist() for i in range(-count, count)] == sequences * 2
    assert [tokens.tolist() for tokens in text] == sequences
    of_arrays = EncodedText.from_sequences(np.array(sequence, np.int32) for sequence in sequences)
    assert [of_arrays.tokens.tolist(), of_arrays.offsets.tolist()] == [text.tokens.tolist(), text.offsets.tolist()]
    for beyond in (count, -count - 1):
        with pytest.raises(IndexError):
            text[beyond]
    indices = np.array(data.draw(st.lists(st.integers(0, count - 1), max_size=9)) if count else [], dtype=np.int64)
    kept = np.isin(np.arange(count), indices)
    assert [tokens.tolist() for tokens in text.select(kept)] == [sequences[i] for i in sorted(set(indices.tolist()))]
    longest = max((len(sequences[i]) for i in indices), default=0)
    padded = text.padded(indices, padding=7)
    assert padded.shape == (len(indices), longest)
    assert padded.tolist() == [sequences[i] + [7] * (longest - len(sequences[i])) for i in indices]


def test_texts_can_be_found_in_a_list():
    texts = [EncodedText.from_sequences([[5, 6], [7]]) for _ in range(2)]
    assert texts.index(texts[1]) == 1


def test_a_token_costs_four_bytes():
    text = EncodedText.from_sequences([[5] * 100] * 10)
    assert text.tokens.nbytes == 4 * 1000
    assert text.select(np.arange(10) < 5).tokens.dtype == np.int32


@some
@given(
    pairs=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=60),
    budget=st.integers(1, 100),
    seed=st.integers(0, 5),
)
def test_batches_cover_every_text_once_within_the_budget(pairs, budget, seed):
    sides = [np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1)]
    batches = token_batches(sides, budget, random(seed))
    covered = [int(index) for batch in batches for index in batch]
    assert sorted(covered) == list(range(len(pairs)))
    for batch in batches:
        assert len(batch)
        padded = max(len(batch) * side[batch].max() for side in sides)
        assert padded <= budget or len(batch) == 1
    again = token_batches(sides, budget, None if seed == 0 else random(seed))
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in again]


def test_text_longer_than_the_budget_is_alone_in_its_batch():
    lengths = [np.array([3, 50, 3, 3]), np.array([3, 3, 3, 90])]
    batches = sorted(sorted(batch.tolist()) for batch in token_batches(lengths, 20, random()))
    assert batches == [[0, 2], [1], [3]]


def test_one_token_too_many_is_too_many():
    """Three times seven is one more than twenty."""
    batches = sorted(sorted(batch.tolist()) for batch in token_batches([np.array([3, 7, 3])], 20, random()))
    assert batches == [[0, 2], [1]]
    assert len(token_batches([np.array([3, 7, 3])], 21, random())) == 1


def test_batches_are_filled_as_far_as_they_go():
    """Texts of one length: no batch but the last may have room for another."""
    batches = token_batches([np.full(100, 7)], 50, random())
    assert sorted(len(batch) for batch in batches) == [2] + [7] * 14


def test_epochs_mix_texts_of_equal_length_and_the_order_of_batches_anew():
    lengths = [random().integers(5, 9, 400)]
    first, second = (token_batches(lengths, 64, random(seed)) for seed in (0, 1))
    assert {frozenset(batch.tolist()) for batch in first} != {frozenset(batch.tolist()) for batch in second}
    means = [lengths[0][batch].mean() for batch in first]
    assert means != sorted(means)
    assert means != [lengths[0][batch].mean() for batch in second]


@pytest.mark.parametrize("count, budget", [(29_000, 2048), (200_000, 4096), (200_000, 8192)])
def test_padding_is_under_5_percent_on_lengths_like_a_corpus(count, budget):
    """Log-normal targets of 18 pieces in the median, and sources that differ from them by a fifth."""
    draw = random()
    target = np.maximum(2, np.rint(draw.lognormal(np.log(18), 0.45, count))).astype(np.int64)
    source = np.maximum(2, np.rint(target * draw.lognormal(0, 0.2, count))).astype(np.int64)
    shares, total = padding_shares([target, source], token_batches([target, source], budget, draw))
    assert shares[0] < 0.05
    assert total < 0.05


@pytest.mark.realdata("translation")
def test_padding_is_under_5_percent_on_multi30k():
    source, target = datasets.load("multi30k")
    preset = PRESETS["tiny"]
    vocabulary = Vocabulary.train([*source, *target], size=preset.vocab_size)
    sides = [vocabulary.encode(target).lengths, vocabulary.encode(source).lengths]
    batches = token_batches(sides, preset.config.batch_tokens, random())
    (of_target, of_source), total = padding_shares(sides, batches)
    print(f"padding: target {of_target:.3%}, source {of_source:.3%}, total {total:.3%}, {len(batches)} batches")
    assert of_target < 0.05
    assert total < 0.05
    assert of_source < 0.05

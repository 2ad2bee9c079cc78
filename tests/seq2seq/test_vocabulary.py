import io
import random
import sys
import tracemalloc
import warnings

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework import InputError
from latticework.core import MissingExtraError
from latticework.seq2seq import vocabulary as module
from latticework.seq2seq.vocabulary import BEGIN, END, PAD, SPECIAL, UNKNOWN, Vocabulary

TEXTS = [
    "the cat sat on the mat, and the dog sat on the cat",
    "Die Mäuse grüßen über Straßen, Ähren, Öl und Übermut",
    "今天天气很好,我们去公园。",
    "e\u0301te\u0301 n\u0303 o\u0308 क्षि",  # base characters and combining marks, not composed
    "👍🏽 👨‍👩‍👧 ❤️ 🇩🇪",  # skin tone, joiners, variation selector, flag
    "tabs\tand\u00a0hard\u2028breaks\u3000too",
    "tags like <b> and </b>, half | pipes, back\\slashes, \"quotes\" & ampersands",
]  # fmt: skip
ALPHABET = sorted({*" ".join(TEXTS)})

some = settings(max_examples=200)


def train(texts, size):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return Vocabulary.train(texts, size=size)


def there_and_back(vocabulary, text):
    return vocabulary.decode([vocabulary.encode([text])[0].tolist()])[0]


@pytest.fixture(scope="module")
def vocabulary():
    return train(TEXTS * 3, 200)


@pytest.fixture(scope="module")
def chinese():
    """As many characters as a small vocabulary has pieces, a few of them common."""
    draw = random.Random(0)
    characters = [chr(0x4E00 + i) for i in range(1500)]
    weights = [1 / (1 + i) for i in range(1500)]
    return ["".join(draw.choices(characters, weights, k=30)) for _ in range(1000)]


@some
@given(text=st.text(st.sampled_from(ALPHABET), max_size=30))
def test_any_text_over_the_training_alphabet_comes_back_unchanged(vocabulary, text):
    tokens = vocabulary.encode([text])[0].tolist()
    assert vocabulary.decode([tokens]) == [text]
    assert UNKNOWN not in tokens
    assert tokens[-1] == END
    assert not {PAD, BEGIN, END} & set(tokens[:-1])


@pytest.mark.parametrize(
    "text", ["", " ", "  ", " the", "the ", "the  cat", "   the   ", "\t", "e\u0301", "\u0301e", *TEXTS]
)
def test_spaces_and_marks_stay_where_they_are(vocabulary, text):
    assert there_and_back(vocabulary, text) == text


def test_special_pieces_are_the_first_four(vocabulary):
    assert (PAD, UNKNOWN, BEGIN, END, SPECIAL) == (0, 1, 2, 3, 4)
    assert vocabulary.pieces([PAD, UNKNOWN, BEGIN, END]) == ["<pad>", "<unk>", "<s>", "</s>"]
    assert vocabulary.decode([[BEGIN, *vocabulary.encode(["the cat"])[0].tolist(), PAD, PAD]]) == ["the cat"]
    assert vocabulary.decode([[], [END], [PAD, BEGIN]]) == ["", "", ""]


def test_batch_of_texts_is_encoded_as_each_alone(vocabulary):
    encoded = vocabulary.encode([*TEXTS, ""])
    assert [tokens.tolist() for tokens in encoded] == [vocabulary.encode([text])[0].tolist() for text in [*TEXTS, ""]]


@pytest.mark.parametrize("texts_at_a_time", [1, 3, 8, 9])
def test_texts_encoded_in_slices_are_the_same(vocabulary, monkeypatch, texts_at_a_time):
    texts = [*TEXTS, ""]
    whole = vocabulary.encode(texts)
    monkeypatch.setattr(module, "ENCODE_TEXTS", texts_at_a_time)
    sliced = vocabulary.encode(texts)
    for name in ("tokens", "offsets"):
        assert getattr(sliced, name).dtype == getattr(whole, name).dtype
        assert getattr(sliced, name).tolist() == getattr(whole, name).tolist()


def test_encoding_needs_little_more_memory_than_its_result(vocabulary, monkeypatch):
    monkeypatch.setattr(module, "ENCODE_TEXTS", 500)
    texts = TEXTS[:2] * 10_000
    tracemalloc.start()
    encoded = vocabulary.encode(texts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * (encoded.tokens.nbytes + encoded.offsets.nbytes)


def test_no_texts_are_no_texts(vocabulary):
    assert len(vocabulary.encode([])) == 0
    assert vocabulary.decode([]) == []


def test_characters_never_seen_become_unknown_and_leave_the_rest_readable(vocabulary):
    tokens = vocabulary.encode(["the Жcat Ж"])[0].tolist()
    assert tokens.count(UNKNOWN) == 2
    assert vocabulary.decode([tokens]) == ["the  ⁇ cat  ⁇ "]


def test_pieces_spell_the_text(vocabulary):
    for text in TEXTS:
        pieces = vocabulary.pieces(vocabulary.encode([text])[0])
        assert pieces.pop() == "</s>"
        assert "".join(pieces) == "▁" + text.replace(" ", "▁")


@pytest.mark.parametrize("text", ["<s>", "</s>", "<pad>", "<unk>", "<0x41>", "a<s>b </s>"])
def test_names_of_special_pieces_in_a_text_are_just_characters(text):
    vocabulary = train(["<abc> </abc> ks pad un 0x41"] * 3, 40)
    tokens = vocabulary.encode([text])[0].tolist()
    assert tokens.count(END) == 1
    assert not {PAD, UNKNOWN, BEGIN} & set(tokens)
    assert vocabulary.decode([tokens]) == [text]


@pytest.mark.parametrize("name", ["<s>", "</s>", "<pad>", "<unk>", "▅", "\x1f", "\t"])
@pytest.mark.parametrize("text", ["{}", "Q {} z", "x{}{}y", "▁ {} ▁".replace("▁", "_")])
def test_what_the_trainer_keeps_for_itself_is_text_like_any_other(name, text):
    """SentencePiece would cut the names out and leave U+001F out, and whole lines with U+2585."""
    text = text.replace("{}", name)
    vocabulary = train([text] * 3, 60)
    assert UNKNOWN not in vocabulary.encode([text])[0]
    assert there_and_back(vocabulary, text) == text
    assert len(vocabulary) < 60


def test_what_the_trainer_keeps_for_itself_may_be_rare(chinese):
    vocabulary = train([*chinese, "a<s>b ▅"], 2000)
    assert there_and_back(vocabulary, "▅ a<s>b▅") == "▅ a<s>b▅"


def test_lines_are_learnt_from_however_long_they_are():
    """SentencePiece would pass over a line of more than 65,536 bytes."""
    line = "Straße ぶん " * 7000 + "Q"
    vocabulary = train(["the cat", line], 60)
    assert UNKNOWN not in vocabulary.encode(["Q Straße ぶん"])[0]
    assert "▁Straße" in vocabulary.pieces(range(len(vocabulary)))


def test_lower_block_is_read_as_a_space(vocabulary):
    """U+2581 is how SentencePiece writes a space, so that one in a text comes back as one: the only loss there is."""
    assert there_and_back(vocabulary, "the▁cat") == "the cat"
    assert vocabulary.encode(["the▁cat"])[0].tolist() == vocabulary.encode(["the cat"])[0].tolist()
    assert there_and_back(train(["a▁b"] * 3, 20), "a▁b") == "a b"


def test_same_text_gives_the_same_vocabulary(vocabulary):
    again = train(TEXTS * 3, 200)
    assert again.model == vocabulary.model
    assert len(Vocabulary(vocabulary.model)) == len(vocabulary)
    assert Vocabulary(vocabulary.model).encode(TEXTS).tokens.tolist() == vocabulary.encode(TEXTS).tokens.tolist()


def test_texts_may_come_one_by_one():
    assert train(iter(TEXTS * 3), 200).model == train(TEXTS * 3, 200).model


def test_small_text_gives_fewer_pieces_with_a_warning():
    with pytest.warns(UserWarning, match=r"\d+ pieces instead of vocab_size=500") as caught:
        small = Vocabulary.train(["abc abd"], size=500)
    assert caught[0].filename == __file__
    assert SPECIAL + len("abcd ") <= len(small) < 30
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Vocabulary.train(["abc abd"], size=len(small) - 1)) == len(small) - 1


def test_frequent_words_become_single_pieces():
    vocabulary = train(["the cat"] * 20 + ["a b c d e f g h i j k l m n o p q r s t u v w x y z"], 45)
    assert vocabulary.pieces(vocabulary.encode(["the cat"])[0]) == ["▁the", "▁cat", "</s>"]


def test_nul_is_refused_as_no_piece_can_spell_it():
    with pytest.raises(InputError, match=r"hold NUL \(U\+0000\)"):
        Vocabulary.train(["the cat", "the\0mat"], size=30)


@pytest.mark.parametrize("texts", [[], [""], ["", "   "], ["▁ "]])
def test_no_text_is_refused(texts):
    with pytest.raises(InputError, match="no text"):
        Vocabulary.train(texts, size=100)


@pytest.mark.parametrize("small, large", [(8, False), (800, True), (1100, True)])
def test_size_that_is_too_small_is_refused_and_the_one_asked_for_is_enough(small, large, chinese):
    texts = chinese if large else ["abcdefg hij"] * 3
    with pytest.raises(InputError, match=f"vocab_size={small} is too small .* give at least") as caught:
        train(texts, small)
    least = int(str(caught.value).rsplit(" ", 1)[1])
    assert len(train(texts, least)) <= least
    if not large:
        with pytest.raises(InputError, match="too small"):
            train(texts, least - 1)


def test_a_character_that_occurs_once_in_tens_of_millions_is_a_piece(monkeypatch):
    """SentencePiece would leave out what comes after a share of 1 in float32."""
    learn = sentencepiece.SentencePieceTrainer.Train

    def learn_counted(sentence_iterator, **options):
        counted = (f"{line}\t{1 if 'Q' in line else 1 << 26}" for line in sentence_iterator)
        learn(sentence_iterator=counted, input_format="tsv", **options)

    monkeypatch.setattr(sentencepiece.SentencePieceTrainer, "Train", staticmethod(learn_counted))
    assert UNKNOWN not in train(["the cat", "Q"], 30).encode(["Q"])[0]


def test_large_alphabet_is_spelled_in_bytes_where_it_is_rare(chinese):
    vocabulary = train(chinese, 2000)
    rare = "龘 Ж 👍🏽 <0x41> e\u0301"
    tokens = vocabulary.encode([rare])[0].tolist()
    assert UNKNOWN not in tokens
    assert vocabulary.decode([tokens]) == [rare]
    assert "<0xE9>" in vocabulary.pieces(tokens)  # the first byte of the first character
    for text in chinese[:50]:
        assert there_and_back(vocabulary, text) == text


@settings(max_examples=100)
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="▁\0"), max_size=12))
def test_bytes_spell_any_text_at_all(chinese_vocabulary, text):
    assert there_and_back(chinese_vocabulary, text) == text


@pytest.fixture(scope="module")
def chinese_vocabulary(chinese):
    return train(chinese, 2000)


def test_half_a_character_is_readable(chinese_vocabulary):
    """A model may stop within the bytes of a character."""
    pieces = chinese_vocabulary.encode(["Ж"])[0].tolist()
    assert chinese_vocabulary.decode([pieces[:-2]]) == ["\ufffd"]


@pytest.mark.parametrize("garbage", [b"", b"\0", b"vocabulary", b"\xff" * 100, bytes(range(256)) * 9])
def test_bytes_that_are_no_model_are_refused(garbage):
    with pytest.raises(InputError, match="vocabulary"):
        Vocabulary(garbage)


def test_model_of_another_maker_is_refused():
    output = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(["the cat sat on the mat"]), model_writer=output, vocab_size=14, minloglevel=2
    )
    with pytest.raises(InputError, match="not one that Latticework made"):
        Vocabulary(output.getvalue())


def test_huge_model_is_refused_before_it_is_read(monkeypatch, vocabulary):
    monkeypatch.setattr(module, "MAX_MODEL_BYTES", len(vocabulary.model) - 1)
    with pytest.raises(InputError, match="larger than"):
        Vocabulary(vocabulary.model)


def test_without_sentencepiece_the_line_that_installs_it_is_said(monkeypatch, vocabulary):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    for use in (lambda: Vocabulary(vocabulary.model), lambda: Vocabulary.train(TEXTS, size=99)):
        with pytest.raises(MissingExtraError, match=r"needs sentencepiece: pip install 'latticework\[seq2seq\]'$"):
            use()


def test_piece_that_is_not_text_is_refused(vocabulary):
    """Such a model would load, and fail with a UnicodeDecodeError at the first sentence with that piece."""
    piece = "Straße".encode()[3:6]
    damaged = vocabulary.model.replace(piece, b"\xff" * len(piece))
    assert damaged != vocabulary.model
    with pytest.raises(InputError, match="vocabulary"):
        Vocabulary(damaged)


def damaged(model, draw):
    """Bytes changed, cut off, put in or left out."""
    data = bytearray(model)
    place = draw.randrange(len(data))
    match draw.randrange(4):
        case 0:
            for _ in range(draw.choice([1, 2, 20])):
                data[draw.randrange(len(data))] = draw.randrange(256)
        case 1:
            del data[place:]
        case 2:
            data[place:place] = draw.randbytes(draw.randrange(1, 20))
        case 3:
            del data[place : place + draw.randrange(1, 20)]
    return bytes(data)


def test_damaged_model_is_refused_or_works(vocabulary):
    draw, refused = random.Random(0), 0
    for _ in range(300):
        model = damaged(vocabulary.model, draw)
        try:
            loaded = Vocabulary(model)
        except InputError:
            refused += 1
            continue
        encoded = loaded.encode([*TEXTS, "Ж"])
        assert encoded.tokens.max() < len(loaded)
        loaded.decode([tokens.tolist() for tokens in encoded])
        loaded.pieces(range(len(loaded)))
    assert 30 < refused < 300

"""Vectors that were given: where they end up, and what training may do to them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from latticework.core import InputError, candidates
from latticework.core.tensors import store_tensors
from latticework.ner import LatticeTagger, Lexicon, TaggerConfig
from latticework.ner.model import Embedding
from latticework.ner.pretrained import Given, readable
from latticework.ner.vocabulary import Vocabulary

SENTENCES, TAGS = ["我爱长江", "他在长城"] * 4, [["O", "O", "B-LOC", "E-LOC"]] * 8
CONFIG = TaggerConfig(batch_size=4, bigrams=True)


@pytest.fixture
def vectors(tmp_path):
    characters, words = tmp_path / "chars.vec", tmp_path / "words.vec"
    characters.write_text("4 2\n我 3 4\n爱长 0 2\n水 1 0\n城 5 0\n", encoding="utf-8")
    words.write_text("3 3\n长江 1 2 3\n黄河 4 5 6\n无关 7 8 9\n", encoding="utf-8")
    return characters, words


def make(vectors, **changes):
    options = {"hidden_size": 8, "max_epochs": 1, "config": CONFIG, "random_state": 0, "device": "cpu"}
    return LatticeTagger(
        ["长江", "黄河", "长城"], char_vectors=vectors[0], word_vectors=vectors[1], **options | changes
    )


def test_sizes_are_those_of_the_files_and_unseen_entries_keep_their_vectors(vectors):
    tagger = make(vectors).fit(SENTENCES, TAGS)
    assert (tagger.config_.char_size, tagger.config_.word_size) == (2, 3)
    characters, words = tagger.model_.vectors.characters, tagger.model_.encoder.words
    known = tagger.learned_.inputs.characters
    assert known.entries[len(known.counts) :] == ("水",)
    torch.testing.assert_close(characters(torch.tensor(known.encode(["水"]))), torch.tensor([[1.0, 0.0]]))
    number = torch.tensor(tagger.learned_.inputs.words.encode(["黄河"]))
    torch.testing.assert_close(words(number), torch.tensor([[4.0, 5.0, 6.0]]))
    assert "无关" not in tagger.learned_.inputs.words.numbers


def test_training_begins_with_the_vectors_and_changes_them(vectors):
    still = make(vectors, config=replace(CONFIG, learning_rate=1e-12)).fit(SENTENCES, TAGS)
    moved = make(vectors).fit(SENTENCES, TAGS)
    expected = {"characters": ("我", [0.6, 0.8]), "pairs": ("爱长", [0.0, 1.0])}  # of length 1
    for name, (entry, vector) in expected.items():
        number = torch.tensor(getattr(still.learned_.inputs, name).encode([entry]))
        torch.testing.assert_close(getattr(still.model_.vectors, name)(number), torch.tensor([vector]))
        assert not torch.allclose(getattr(moved.model_.vectors, name)(number), torch.tensor([vector]), atol=1e-5)
    number = torch.tensor(still.learned_.inputs.words.encode(["长江"]))
    torch.testing.assert_close(still.model_.encoder.words(number), torch.tensor([[1.0, 2.0, 3.0]]))


def test_of_vectors_of_several_digits_the_first_counts(vectors):
    vectors[0].write_text("2 3 4\n1 1 0\n0 0 1\n", encoding="utf-8")
    tagger = make(vectors, config=replace(CONFIG, learning_rate=1e-12)).fit(["我爱长江2"], [[*TAGS[0], "O"]])
    number = torch.tensor(tagger.learned_.inputs.characters.encode(["0"]))
    torch.testing.assert_close(tagger.model_.vectors.characters(number), torch.tensor([[0.6, 0.8]]))


def test_given_vectors_are_saved_with_the_model(vectors, tmp_path):
    tagger = make(vectors).fit(SENTENCES, TAGS)
    tagger.save(tmp_path / "model")
    for file in vectors:
        file.unlink()
    loaded = LatticeTagger.load(tmp_path / "model")
    queries = ["水在黄河", "我爱长江"]
    np.testing.assert_array_equal(loaded.transform(queries), tagger.transform(queries))
    with pytest.raises(InputError, match="no such file"):
        make(vectors).fit(SENTENCES, TAGS)


@pytest.mark.parametrize(
    "pairs, kept",
    [(False, ["我", "水", "0G", "0"]), (True, ["我", "爱长", "水", "0G", "0G基", "0"])],
)
def test_of_words_in_a_file_of_characters_only_what_could_be_read_is_kept_or_looked_at(tmp_path, pairs, kept):
    file = tmp_path / "both.vec"
    pair = "爱长 0 2" if pairs else "爱长 nan 2"
    rows = ["我 3 4", pair, "长江大桥 nan 1", "水 1 0", "6G 1 0", "6G基 1 0", "7G网 nan 0", "５ 1 0"]
    file.write_text("\n".join(rows), encoding="utf-8")
    reads = readable([["我", "5G", "基"], ["爱", "长"]], pairs=pairs)
    given = Given.read(file, None, Lexicon.of(None), reads)
    assert given.characters == kept
    assert given.character_vectors.dtype == np.float32
    assert given.character_vectors[0].tolist() == [np.float32(0.6), np.float32(0.8)]


def test_tokens_of_several_characters_begin_with_their_vectors(vectors):
    vectors[0].write_text("6G 3 4\n江6G 0 2\n长江6G 0 1\n", encoding="utf-8")
    tagger = make(vectors, config=replace(CONFIG, learning_rate=1e-12)).fit([["长", "江", "5G"]], [["S-A", "O", "O"]])
    for name, entry, vector in (("characters", "0G", [0.6, 0.8]), ("pairs", "江0G", [0.0, 1.0])):
        number = torch.tensor(getattr(tagger.learned_.inputs, name).numbers[entry])
        torch.testing.assert_close(getattr(tagger.model_.vectors, name)(number), torch.tensor(vector))


@pytest.mark.parametrize(
    "change",
    [
        {"characters": ["江"]},
        {"character_vectors": np.full((1, 2), 2, np.float32)},
        {"words": ["大河"]},
        {"word_vectors": np.zeros((1, 3), np.float32)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_checksum_of_vectors_tells_others_apart(change):
    def given():
        rows = np.ones((1, 2), np.float32), np.ones((1, 3), np.float32)
        return Given(["长"], rows[0], ["长江"], rows[1])

    assert given().sha256 == given().sha256 != replace(given(), **change).sha256


def test_other_vectors_are_another_run(vectors, tmp_path):
    make(vectors).fit(SENTENCES, TAGS, folder=tmp_path / "model")
    vectors[0].write_text("1 2\n我 1 0\n", encoding="utf-8")
    with pytest.raises(InputError, match="other data or settings"):
        make(vectors).fit(SENTENCES, TAGS, folder=tmp_path / "model")


def test_other_vectors_of_what_training_does_not_show_are_another_run(vectors, tmp_path):
    make(vectors).fit(SENTENCES, TAGS, folder=tmp_path / "model")
    vectors[0].write_text(vectors[0].read_text("utf-8").replace("水 1 0", "水 0 1"), encoding="utf-8")
    with pytest.raises(InputError, match="other data or settings"):
        make(vectors).fit(SENTENCES, TAGS, folder=tmp_path / "model")


def test_what_training_stores_as_it_goes_holds_no_vectors_that_it_does_not_change(vectors, monkeypatch):
    stored = set()

    def store(folder, name, weights):
        stored.update(weights)
        return store_tensors(folder, name, weights)

    monkeypatch.setattr(candidates, "store_tensors", store)
    tagger = make(vectors).fit(SENTENCES, TAGS, (SENTENCES, TAGS))
    kept = set(tagger.to_state().tensors["weights"])
    assert kept - stored == {"vectors.characters.given", "vectors.pairs.given", "encoder.words.given"}
    assert stored < kept


@pytest.mark.parametrize("content", ["0 2\n", "1 2\n水 1 0\n", "1 2\n水水水 1 0\n"])
@pytest.mark.parametrize("side", [0, 1])
def test_vectors_of_nothing_that_is_read_are_warned_of(vectors, side, content):
    vectors[side].write_text(content, encoding="utf-8")
    name = ("char_vectors", "word_vectors")[side]
    with pytest.warns(UserWarning, match=f"{name}: .* has no vector of what LatticeTagger reads") as warned:
        make(vectors).fit(SENTENCES, TAGS)
    assert warned[-1].filename == __file__


def test_rare_entries_are_hidden_in_training_as_often_as_it_says():
    vocabulary = Vocabulary.learn([["often"] * 9, ["once"]])
    embedding = Embedding(vocabulary, 2, unknown_rate=1.0)
    with torch.no_grad():
        embedding.table.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    torch.manual_seed(0)
    shown = embedding(torch.tensor([1, 2]).repeat(20000, 1)).mean(0)
    torch.testing.assert_close(shown, torch.tensor([[0.9, 0.0], [0.0, 0.5]]), atol=0.015, rtol=0)
    embedding.eval()
    torch.testing.assert_close(embedding(torch.tensor([0, 1, 2])), embedding.table.data)

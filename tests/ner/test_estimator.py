"""The taggers as estimators: the common checks, offsets, scores, another lexicon, saving."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import contents, learned
from taggers import CONFIG, QUERIES, SENTENCES, TAGS, WORDS, TaggerCases

import latticework as lw
from latticework.core import InputError
from latticework.ner import CharacterTagger, LatticeTagger, Lexicon, TaggerConfig, WordConfig, WordTagger
from latticework.ner.repair import convert_tags
from latticework.ner.tags import Span


class TestLatticeTagger(TaggerCases):
    def queries(self):
        return super().queries() | {"explain": ("我爱 长江",)}


class TestLatticeTaggerWithForgetGate(TaggerCases):
    config = TaggerConfig(char_size=12, word_size=8, batch_size=4, learning_rate=0.02, forget="independent")


class TestCharacterTagger(TaggerCases):
    tagger = CharacterTagger


class TestCharacterTaggerWithAll(TaggerCases):
    tagger = CharacterTagger
    config = TaggerConfig(char_size=12, batch_size=4, learning_rate=0.02, bigrams=True, softword=True)


@pytest.fixture(scope="module")
def tagger():
    return LatticeTagger(WORDS, hidden_size=16, max_epochs=30, config=CONFIG, random_state=0, device="cpu").fit(
        SENTENCES, TAGS
    )


def test_it_learns(tagger):
    assert tagger.score(SENTENCES, TAGS) == 1
    assert tagger.predict(["他在长江", ""]) == [["O", "O", "B-RIV", "E-RIV"], []]
    assert tagger.labels_ == ("LOC", "RIV")


def test_entities_index_the_original_text(tagger):
    text = "　我 爱\t长 江。 "
    [[entity]] = tagger.entities([text])
    assert text[entity.start : entity.end] == entity.text == "长 江"
    assert entity.label == "RIV"
    assert 0.5 < entity.score <= 1


def test_score_of_an_entity_is_the_probability_of_its_tags(tagger):
    import torch

    text = "他在长江"
    [[entity]] = tagger.entities([text])
    features = tagger.learned_.inputs.encode([list(text)])
    batch = features.batch(np.array([0]), tagger.model_.arrange)
    with torch.no_grad():
        emissions = tagger.model_.emissions(batch)[0].double()
    names, crf = tagger.learned_.tag_set.names, tagger.model_.crf
    start, end, transitions = (parameter.detach().double() for parameter in (crf.start, crf.end, crf.transitions))
    wanted, total = -np.inf, -np.inf
    for path in np.ndindex(*[len(names)] * 4):
        score = start[path[0]] + end[path[-1]] + sum(emissions[t, path[t]] for t in range(4))
        score = float(score + sum(transitions[path[t], path[t + 1]] for t in range(3)))
        total = np.logaddexp(total, score)
        if [names[tag] for tag in path[2:]] == ["B-RIV", "E-RIV"]:
            wanted = np.logaddexp(wanted, score)
    assert entity.score == pytest.approx(np.exp(wanted - total), rel=1e-4)


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_tags_are_answered_in_the_scheme_they_came_in(scheme):
    inside = {"BIO": ["B-LOC", "I-LOC", "I-LOC", "O"], "BIOES": ["B-LOC", "I-LOC", "E-LOC", "O"]}[scheme]
    tagger = LatticeTagger(WORDS, hidden_size=8, max_epochs=15, config=CONFIG, random_state=0, device="cpu")
    tagger.fit(["长江头走"] * 20, [inside] * 20)
    assert tagger.scheme_ == scheme
    assert tagger.predict(["长江头走"]) == [inside]
    assert tagger.spans(["长江头走"]) == [[Span(0, 3, "LOC")]]
    assert tagger.learned_.tag_set.names == ("O", "B-LOC", "M-LOC", "E-LOC", "S-LOC")


def test_the_scheme_may_be_said_where_tags_do_not_tell_it():
    assert small(CharacterTagger).fit(SENTENCES, TAGS, scheme="BIOES").scheme_ == "BIOES"
    with pytest.raises(InputError, match=r"^training tags\[0\]\[3\]: 'E-LOC' is no BIO tag"):
        small(CharacterTagger).fit(["我爱长江"], [["O", "O", "B-LOC", "E-LOC"]], scheme="BIO")
    with pytest.raises(InputError, match=r"^scheme='IOB': expected one of BMES, BIOES, BIO$"):
        small(CharacterTagger).fit(map(pytest.fail, ["read"]), [], scheme="IOB")


def test_the_scheme_that_is_said_is_that_of_validation_too():
    rows = [convert_tags(tags, "BMES", "BIOES") for tags in TAGS]
    unended = (["我爱长江"], [["O", "O", "B-LOC", "I-LOC"]])  # in BIO nothing would be missing
    tagger = CharacterTagger(config=replace(CONFIG, repair="refuse"))
    with pytest.raises(InputError, match=r"^validation tags\[0\]\[3\]: I-LOC is not followed by I-LOC or E-LOC$"):
        tagger.fit(SENTENCES, rows, unended, scheme="BIOES")


def test_sentences_may_be_strings_or_lists_and_are_tagged_alone_as_together(tagger):
    together = tagger.predict(QUERIES)
    assert together == [tagger.predict([query])[0] for query in QUERIES]
    assert tagger.predict([list("他在长江")]) == tagger.predict(["他在长江"]) == tagger.predict(["他 在长　江"])
    assert tagger.score(np.array(SENTENCES), [np.array(row) for row in TAGS]) == tagger.score(SENTENCES, TAGS)


def test_long_text_is_tagged_whole(tagger):
    text = "他在长江。" * 500
    [tags] = tagger.predict([text])
    whole, half = tagger.predict(["他在长江。" * 200, "他在长江。" * 100])
    assert tags == whole + whole + half
    [entities] = tagger.entities([text])
    assert [entity.start for entity in entities] == list(range(2, 2500, 5))
    [states], [thousand] = tagger.character_states([text]), tagger.character_states(["他在长江。" * 200])
    assert states.shape == (2500, 16)
    np.testing.assert_allclose(states[1000:2000], thousand, atol=1e-5)


def test_long_text_is_learnt_from_and_judged_in_the_parts_in_which_it_is_tagged():
    config = replace(CONFIG, batch_size=1, average_checkpoints=1)
    tagger = CharacterTagger(hidden_size=8, max_epochs=20, config=config, random_state=0, device="cpu")
    text, row = "在长江" * 700, ["O", "B-RIV", "E-RIV"] * 700
    tagger.fit([text], [row], ([text], [row]))
    assert tagger.history_[-1]["step"] == 20 * 3
    best = max(history.get("valid_f1", 0) for history in tagger.history_)
    assert 0.9 < best == tagger.score([text], [row]) < 1  # of one entity each part has a character


def test_transform_is_the_mean_of_the_character_states(tagger):
    texts = [*QUERIES, "他在长江。" * 500, "江长" * 600]
    states, means = tagger.character_states(texts), tagger.transform(texts)
    assert [len(row) for row in states] == [4, 0, 3, 2, 3, 2500, 1200]
    np.testing.assert_array_equal(np.delete(means, 1, axis=0), [row.mean(0) for row in states if len(row)])
    np.testing.assert_array_equal(means[1], np.zeros(16))
    assert means.dtype == np.float32
    assert tagger.transform([]).shape == (0, 16)


def test_transform_does_not_hold_the_states_of_all_characters():
    tagger = CharacterTagger(hidden_size=256, max_epochs=1, config=CONFIG, random_state=0, device="cpu")
    tagger.fit(SENTENCES[:5], TAGS[:5])
    texts = ["他在长江。" * 10] * 1000
    tracemalloc.start()
    tagger.transform(texts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < sum(map(len, texts)) * 256 * 4 / 2


def test_another_lexicon_changes_what_matches_and_leaves_the_first_model_alone(tagger):
    before = tagger.predict(QUERIES)
    other = tagger.with_lexicon(["我爱"])
    assert [match.word for match in other.matches("我爱长江")] == ["我爱"]
    assert [match.word for match in tagger.matches("我爱长江")] == ["长江"]
    assert tagger.predict(QUERIES) == before
    assert other.lexicon_.sha256 != tagger.lexicon_.sha256
    assert other.lexicon == ["我爱"]


def test_a_model_that_reads_no_words_has_no_lexicon_to_exchange():
    plain, softword = small(CharacterTagger), small(CharacterTagger)
    softword.set_params(config=replace(CONFIG, softword=True))
    with pytest.raises(InputError, match="a CharacterTagger like this reads no words: leave out the lexicon"):
        plain.fit(SENTENCES, TAGS).with_lexicon(["我爱"])
    assert softword.fit(SENTENCES, TAGS).with_lexicon(["我爱"]).lexicon_.words == ("我爱",)


def test_explanation_has_an_arc_for_every_match_and_weights_that_add_up(tagger):
    found = tagger.explain("我爱 长江，在江长城")
    assert [(arc.start, arc.end, arc.word) for arc in found.arcs] == [
        (match.start, match.end, match.word) for match in tagger.matches("我爱 长江，在江长城")
    ]
    assert all(0 < arc.forward < 1 and 0 < arc.backward < 1 for arc in found.arcs)
    assert len(found.offsets) == len(found.tags) == len(found.characters) == 9
    ends = dict.fromkeys(found.offsets, 0.0)
    for arc in found.arcs:
        ends[arc.end - 1] += arc.forward
    np.testing.assert_allclose(found.characters[:, 0] + list(ends.values()), 1, rtol=1e-5)
    assert found.entities == tagger.entities(["我爱 长江，在江长城"])[0]
    assert found != tagger.explain("我爱 长江，在江长城")  # each is its own: comparing arrays would be an error
    with pytest.raises(InputError, match="1,000"):
        tagger.explain("长" * 1001)


@pytest.mark.parametrize("lexicon", [WORDS, tuple(WORDS), {"长江": 3, "$长城": 2}, None, Lexicon.of(WORDS)])
@pytest.mark.parametrize("kind", [LatticeTagger, CharacterTagger])
def test_a_lexicon_of_any_kind_is_saved_with_the_model(lexicon, kind, tmp_path):
    tagger = small(kind, lexicon)
    tagger.fit(SENTENCES[:5], TAGS[:5]).save(tmp_path)
    loaded = lw.load(tmp_path)
    assert type(loaded.lexicon) is type(lexicon)
    assert loaded.lexicon == lexicon
    assert loaded.lexicon_.sha256 == tagger.lexicon_.sha256
    assert loaded.predict(QUERIES) == tagger.predict(QUERIES)


def test_frequencies_may_be_whole_numbers_of_any_kind(tmp_path):
    words = {"长江": np.array(3), "长城": np.uint8(2)}
    small(lexicon=words).fit(SENTENCES, TAGS).save(tmp_path)
    assert lw.load(tmp_path).lexicon == {"长江": 3, "长城": 2}


def test_a_lexicon_may_be_an_array(tmp_path):
    tagger = LatticeTagger(np.array(WORDS), hidden_size=8, max_epochs=1, config=CONFIG, random_state=0, device="cpu")
    tagger.fit(SENTENCES[:5], TAGS[:5]).save(tmp_path)
    assert lw.load(tmp_path).lexicon == WORDS
    assert lw.load(tmp_path).lexicon_ == Lexicon.of(WORDS)


def test_a_lexicon_in_a_file_need_not_be_there_when_the_model_is_loaded(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("\n".join(WORDS), encoding="utf-8")
    tagger = LatticeTagger(words, hidden_size=8, max_epochs=1, config=CONFIG, random_state=0, device="cpu")
    tagger.fit(SENTENCES[:5], TAGS[:5]).save(tmp_path / "model")
    words.unlink()
    assert [match.word for match in lw.load(tmp_path / "model").matches("长江")] == ["长江"]


def test_only_words_that_match_in_training_get_vectors():
    tagger = LatticeTagger([*WORDS, "从未", "见过"], hidden_size=8, max_epochs=1, config=CONFIG, random_state=0)
    tagger.fit(SENTENCES, TAGS, (["从未见过长江"], [["O"] * 4 + ["B-RIV", "E-RIV"]]))
    assert sorted(tagger.learned_.inputs.words.entries) == sorted(WORDS[:4])
    assert "未" not in tagger.learned_.inputs.characters.entries


def test_illegal_tags_are_warned_of_and_repaired():
    broken = [["O", "O", "B-RIV", "M-RIV"], *TAGS[1:]]
    tagger = LatticeTagger(WORDS, hidden_size=8, max_epochs=1, config=CONFIG, random_state=0, device="cpu")
    said = r"training: 1 illegal BMES tags repaired .*training tags\[0\]\[3\]: M-RIV"
    with pytest.warns(UserWarning, match=said) as warned:
        tagger.fit(SENTENCES, broken)
    with pytest.warns(UserWarning, match="score: 1 illegal") as warned_of_score:
        tagger.score(SENTENCES, broken)
    assert [each.filename for each in (*warned, *warned_of_score)] == [__file__] * 2  # they point at their caller
    strict = LatticeTagger(WORDS, config=TaggerConfig(repair="refuse"), random_state=0)
    with pytest.raises(InputError, match=r"training tags\[0\]\[3\]"):
        strict.fit(SENTENCES, broken)
    assert learned(strict) == set()


def test_labels_that_only_validation_has_are_warned_of_and_count_as_missed():
    tagger = LatticeTagger(WORDS, hidden_size=8, max_epochs=1, config=CONFIG, random_state=0, device="cpu")
    with pytest.warns(UserWarning, match="labels that training has not: PER") as warned:
        tagger.fit(SENTENCES, TAGS, (["长江王"], [["B-RIV", "E-RIV", "S-PER"]]))
    assert warned[0].filename == __file__
    assert tagger.history_[-1]["valid_recall"] <= 0.5


def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    def make():
        return LatticeTagger(WORDS, hidden_size=8, max_epochs=3, config=CONFIG, random_state=0, device="cpu")

    from latticework.ner.learning import TaggingTask

    whole = make().fit(SENTENCES, TAGS, folder=tmp_path / "whole")
    batches = TaggingTask.batches

    def stop(self, epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        return batches(self, epoch)

    with monkeypatch.context() as patched:
        patched.setattr(TaggingTask, "batches", stop)
        with pytest.raises(KeyboardInterrupt):
            make().fit(SENTENCES, TAGS, folder=tmp_path / "cut")
    resumed = make().fit(SENTENCES, TAGS, folder=tmp_path / "cut")
    assert resumed.predict(QUERIES) == whole.predict(QUERIES)
    resumed.save(tmp_path / "a")
    whole.save(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    again = make().fit(SENTENCES, TAGS, folder=tmp_path / "whole")
    assert again.predict(QUERIES) == whole.predict(QUERIES)
    with pytest.raises(InputError, match="other data or settings"):
        make().set_params(lexicon=["长江"]).fit(SENTENCES, TAGS, folder=tmp_path / "whole")


def small(tagger=LatticeTagger, lexicon=WORDS):
    return tagger(lexicon, hidden_size=8, max_epochs=1, config=CONFIG, random_state=0, device="cpu")


@pytest.mark.parametrize(
    "sentences, scheme",
    [
        ([sentence.replace("江", "河") for sentence in SENTENCES], "BMES"),  # as many of each character as before
        (SENTENCES, "BIO"),
    ],
)
def test_other_characters_and_another_scheme_are_another_run(sentences, scheme, tmp_path):
    def fit(sentences, scheme):
        rows = [convert_tags(tags, "BMES", scheme) for tags in TAGS[:1]]
        return small(CharacterTagger).fit(sentences[:1], rows, folder=tmp_path / "model")

    fit(SENTENCES, "BMES")
    with pytest.raises(InputError, match="other data or settings"):
        fit(sentences, scheme)


def test_a_model_with_another_lexicon_is_not_the_one_that_its_run_made(tmp_path):
    small().fit(SENTENCES, TAGS, folder=tmp_path).with_lexicon(["我爱"]).save(tmp_path)
    with pytest.raises(InputError, match="other data or settings"):
        small().fit(SENTENCES, TAGS, folder=tmp_path)
    assert lw.load(tmp_path).lexicon_.words == ("我爱",)


@pytest.mark.parametrize(
    "changed",
    [
        {"hidden_size": 10**9},
        {"hidden_size": 17},
        {"hidden_size": 0},
        {"hidden_size": "16"},
        {"labels": ["LOC", "LOC"]},
        {"labels": [1, 2]},
        {"labels": ["LOC"]},
        {"scheme": "XML"},
        {"lexicon_sha256": ""},
        {"config": {"char_size": 10**10}},
        {"config": {"word_size": 10**9}},
        {"config": {"bigrams": True}},
        {"config": {"forget": "independent"}},
        {"config": {"unheard_of": 1}},
        {"vocabularies": {"words": None}},
        {"vocabularies": {"characters": {"entries": ["长"], "counts": [1]}}},
    ],
    ids=str,
)
def test_a_folder_whose_parts_are_of_different_models_is_refused(tagger, changed, tmp_path, monkeypatch):
    """The checksums are right: whoever wrote it meant it so. It must not cost memory either."""
    state = tagger.to_state()
    values = {**state.values, **changed, "config": state.values["config"] | changed.get("config", {})}
    vocabularies = json.loads(state.files["vocabularies.json"]) | changed.get("vocabularies", {})
    kept = {name: known for name, known in vocabularies.items() if known is not None}
    files = state.files | {"vocabularies.json": json.dumps(kept).encode()}
    with monkeypatch.context() as patched:
        patched.setattr(LatticeTagger, "to_state", lambda _: replace(state, values=values, files=files))
        tagger.save(tmp_path)
    with pytest.raises(InputError, match=str(tmp_path)):
        lw.load(tmp_path)


def test_a_configuration_of_another_tagger_is_refused():
    with pytest.raises(InputError, match=r"^config: expected a TaggerConfig, got WordConfig$"):
        LatticeTagger(WORDS, config=WordConfig()).fit(SENTENCES, TAGS)
    with pytest.raises(InputError, match=r"^config: expected a WordConfig, got TaggerConfig$"):
        WordTagger(WORDS, config=TaggerConfig()).fit(SENTENCES, TAGS)


def test_description_says_what_was_learnt(tagger):
    described = json.loads(json.dumps(tagger.describe()))
    assert described["labels"] == ["LOC", "RIV"]
    assert described["lexicon"]["words"] == 5
    assert LatticeTagger(char_vectors=Path("v.txt")).describe()["parameters"]["char_vectors"] == "v.txt"


@pytest.mark.parametrize(
    "lexicon, message",
    [
        (["长", " "], r"no word of two or more characters \(1 blank, 1 single left out\)"),
        (["从未"], "none of the lexicon's 1"),
    ],
)
def test_a_lexicon_of_no_use_is_warned_of(lexicon, message):
    tagger = LatticeTagger(lexicon, hidden_size=8, max_epochs=1, config=CONFIG, random_state=0, device="cpu")
    with pytest.warns(UserWarning, match=message) as warned:
        tagger.fit(SENTENCES, TAGS)
    assert warned[0].filename == __file__


def test_few_sentences_are_trained_on_for_long_unless_told(monkeypatch):
    from latticework.ner import learning

    monkeypatch.setattr(learning, "LEAST_STEPS", 30)
    tagger = CharacterTagger(hidden_size=8, config=CONFIG, random_state=0, device="cpu").fit(SENTENCES[:8], TAGS[:8])
    assert tagger.history_[-1]["epoch"] == 20  # its own, for that is more
    monkeypatch.setattr(learning, "LEAST_STEPS", 50)
    assert tagger.fit(SENTENCES[:8], TAGS[:8]).history_[-1]["epoch"] == 25
    monkeypatch.setattr(learning, "MOST_EPOCHS", 21)
    assert tagger.fit(SENTENCES[:8], TAGS[:8]).history_[-1]["epoch"] == 21


def test_a_model_that_finds_nothing_is_told_of(capsys):
    slow = TaggerConfig(learning_rate=1e-9, batch_size=4)
    tagger = LatticeTagger(WORDS, hidden_size=8, max_epochs=1, config=slow, random_state=0, device="cpu")
    with lw.progress.showing():
        tagger.fit(SENTENCES, TAGS, (SENTENCES[4:6], [["S-LOC", *TAGS[4][1:]], TAGS[5]]))
    assert "the best F1 on the validation sentences is 0" in capsys.readouterr().err

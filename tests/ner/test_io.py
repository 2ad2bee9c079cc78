"""Files of named entities: every format, what a file may hold and what becomes of it, and where one goes wrong."""

from __future__ import annotations

import gzip
import io
import re
import warnings

import pytest

from latticework.core import InputError
from latticework.ner.conll import conll_lines
from latticework.ner.io import RESUME, convert, read_resume, read_tagged, texts_in, write_conll
from latticework.ner.tags import Span

BMES = "中 B-LOC\n国 E-LOC\n人 O\n\n李 S-PER\n\n"
SENTENCES, TAGS = [["中", "国", "人"], ["李"]], [["B-LOC", "E-LOC", "O"], ["S-PER"]]


@pytest.mark.parametrize(
    "content",
    [
        BMES,
        BMES.rstrip("\n"),
        "\n\n" + BMES.replace("\n\n", "\n\n \n\t\n") + "\n\n",
        BMES.replace("\n", "\r\n"),
        "\ufeff" + BMES,
        BMES.replace(" ", "\t"),
        BMES.replace(" ", "   "),
        BMES.replace(" ", " \t "),
        BMES.replace("\n", " \n").replace("\n \n", "\n\n"),
        BMES.replace(" ", " NN _ "),
        BMES.replace(" ", "\tNN\t"),
        BMES.replace("E-", "I-").replace("S-", "B-"),
        "-DOCSTART- -X- O O\n\n" + BMES,
        BMES.replace("\n\n", "\n-DOCSTART-\n"),
        gzip.compress(BMES.encode(), mtime=0),
    ],
)
def test_a_file_of_columns_may_look_like_this(write, content):
    tagged = read_tagged(write("a.txt", content))
    assert (tagged.sentences, tagged.tags_in()) == (SENTENCES, TAGS)
    assert tagged.texts == ["中国人", "李"]
    assert tagged.begins == [[0, 1, 2], [0]]


def test_a_sentence_knows_where_it_is_from(write):
    path = write("a.txt", "\n" + BMES + "\n好 O")
    assert read_tagged(path).places == [f"{path}:2", f"{path}:6", f"{path}:9"]


def test_standard_input_is_columns(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(BMES.encode())))
    tagged = read_tagged("-")
    assert (tagged.sentences, tagged.places) == (SENTENCES, ["<stdin>:1", "<stdin>:5"])


@pytest.mark.parametrize("content", ["{ O\n中 S-LOC\n", "{\tO\n中\tS-LOC\n"])
def test_columns_of_standard_input_may_begin_with_a_brace(monkeypatch, content):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert read_tagged("-").sentences == [["{", "中"]]


@pytest.mark.parametrize("start", ['{"text"', ' { "text"'])
def test_json_lines_of_standard_input_are_known_by_their_beginning(monkeypatch, start):
    content = start + ': "中国", "entities": [[0, 2, "LOC"]]}\n'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert read_tagged("-").tags_in() == [["B-LOC", "E-LOC"]]


def test_characters_of_several_code_points_and_beyond_the_basic_plane_stay_whole(write):
    tokens = ["𠀀", "e\u0301", "👨‍👩‍👧", "New York", "\u200b"]
    path = write("a.txt", "".join(f"{token}\tS-A\n" for token in tokens))
    tagged = read_tagged(path)
    assert tagged.sentences == [tokens]
    assert tagged.text_spans(0)[-2] == Span(8, 16, "A")
    assert tagged.texts[0][8:16] == "New York"
    write_conll(path, tagged.sentences, tagged.tags_in())
    assert read_tagged(path).sentences == [tokens]


def test_nothing_is_lost_of_long_sentences_and_of_the_last_one(write):
    tokens = ["中"] * 600
    path = write("a.txt", "\n".join(conll_lines(tokens, ["O"] * 600)[:-1]))
    assert [len(sentence) for sentence in read_tagged(path).sentences] == [600]


def test_all_outside_is_a_text_without_entities(write):
    tagged = read_tagged(write("a.txt", "中 O\n国 O\n"))
    assert (tagged.tags_in(), tagged.text_spans(0)) == ([["O", "O"]], [])


def test_illegal_tags_are_repaired_with_one_warning_that_counts_them(write):
    path = write("a.bmes", "中 M-LOC\n国 O\n\n" * 5 + "人 B-PER\n")
    with pytest.warns(UserWarning, match="repaired") as caught:
        tagged = read_tagged(path)
    assert [str(warning.message) for warning in caught] == [
        f"{path}: 6 illegal BMES tags repaired (a piece that continues nothing begins an entity, one that is not ended "
        f"ends where it stops): {path}:1: M-LOC continues no entity, {path}:4: M-LOC continues no entity, "
        f"{path}:7: M-LOC continues no entity and 3 more"
    ]
    assert caught[0].filename == __file__
    assert tagged.tags_in() == [["S-LOC", "O"]] * 5 + [["S-PER"]]
    with pytest.warns(UserWarning, match=r"repaired \(pieces that make no legal entity count as outside\)"):
        assert read_tagged(path, repair="drop").tags_in() == [["O", "O"]] * 5 + [["O"]]
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}:1: M-LOC continues no entity$"):
        read_tagged(path, repair="refuse")
    with pytest.raises(InputError, match=r"^repair='mend': expected one of close, drop, refuse$"):
        read_tagged(path, repair="mend")


def test_a_sentence_of_white_space_stays_as_an_empty_one(write, tmp_path):
    path = write("a.txt", "\u3000 O\n\n中 O\n")
    expected = re.escape(f"{path}: 1 tokens left out that are white space: {path}:1")
    with pytest.warns(UserWarning, match=f"^{expected}$") as caught:
        assert read_tagged(path).sentences == [[], ["中"]]
    assert caught[0].filename == __file__


def test_json_lines_may_have_a_mark_and_carriage_returns(write):
    path = write("a.json", '\ufeff{"text": "中国", "entities": [[0, 2, "LOC"]]}\r\n\r\n')
    assert read_tagged(path).tags_in() == [["B-LOC", "E-LOC"]]


def test_bytes_that_are_no_text_are_named(write):
    with pytest.raises(InputError, match=r"a.txt:2: NUL character"):
        read_tagged(write("a.txt", "中 O\n国 O\0\n"))
    with pytest.raises(InputError, match=r"a.txt:2: byte 0xD6 at position 1 is not UTF-8: convert the file to UTF-8$"):
        read_tagged(write("a.txt", "x O\n中 O\n".encode("gb18030")))


@pytest.mark.parametrize(
    "name, content", [("a.txt", ""), ("a.txt", "\n\n"), ("a.jsonl", ""), ("a.txt", "-DOCSTART- O\n")]
)
def test_a_file_without_sentences_is_refused(write, name, content):
    with pytest.raises(InputError, match=r"holds no sentence$"):
        read_tagged(write(name, content))


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_tagged(tmp_path / "no.bmes")
    with pytest.raises(InputError, match="is a folder, expected a text file"):
        read_tagged(str(tmp_path))


def test_texts_to_tag_come_from_lines_or_from_json():
    assert list(texts_in(["中 国", "", "人"], "a.txt")) == ["中 国", "", "人"]
    lines = ['{"text": "中 国"}', "", '{"text": "", "entities": [[9, 9, 9]]}', " "]
    assert list(texts_in(lines, "a.jsonl.gz")) == ["中 国", ""]
    with pytest.raises(InputError, match=r'^a.json:3: expected an object with a text under "text"$'):
        list(texts_in(['{"text": "x"}', "", "{}"], "a.json"))


def test_the_first_line_of_standard_input_tells_whether_texts_are_json():
    lines = ['{"text": "中 国", "entities": [[0, 3, "LOC"]]}', "", ' { "text": "人"}']
    assert list(texts_in(lines, "<stdin>")) == list(texts_in(lines[::-1], "<stdin>"))[::-1] == ["中 国", "人"]
    assert list(texts_in(["{中}", *lines[:2]], "<stdin>")) == ["{中}", *lines[:2]]
    assert list(texts_in(lines[:1], "a.txt")) == lines[:1]
    assert list(texts_in(["", " ", *lines], "<stdin>")) == list(texts_in(lines, "<stdin>"))
    assert list(texts_in(["", "人"], "<stdin>")) == ["", "人"]
    assert list(texts_in([], "<stdin>")) == []
    with pytest.raises(InputError, match=r"^<stdin>:3: not a JSON object"):
        list(texts_in([*lines[:2], "人"], "<stdin>"))


def tagged_alike(*lines: str) -> list[str]:
    """What is said of lines that are taken for texts, all of them."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert list(texts_in(lines, "a.txt")) == list(lines)
    return [str(each.message) for each in said]


def test_of_lines_that_look_like_a_file_of_tags_it_is_told_once_that_they_are_taken_for_texts():
    (said,) = tagged_alike("好", "中 B-LOC", "国\tNN\tE-LOC", "", "人 O", "人 O", "人 O")
    assert said.startswith("a.txt:3: '国\\tNN\\tE-LOC' and the line before look like tokens with tags")
    assert tagged_alike("vitamin B-12", "", "vitamin B-6", "中国", "O", "B-LOC") == []


@pytest.mark.parametrize("name", ["a.txt", "<stdin>"])
def test_texts_to_tag_are_read_as_they_come(name):
    arrived = []

    def slowly():
        for line in ("一", "二"):
            arrived.append(line)
            yield line

    assert next(texts_in(slowly(), name)) == "一"
    assert arrived == ["一"]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_tour_of_all_formats_ends_where_it_began(write, tmp_path, ending):
    before = write("a.bmes", BMES + "上 B-ORG\n海 M-ORG\n行 E-ORG\n\n")
    for number, (name, scheme) in enumerate(
        [("b.bioes", "BIOES"), ("c.jsonl", "BMES"), ("d.bio", "BIO"), ("e.bmes", "BMES")]
    ):
        after = tmp_path / f"{number}{name}{ending}"
        convert(before, after, scheme=scheme)
        assert read_tagged(after).scheme == ("spans" if "jsonl" in name else scheme)
        before = after
    data = before.read_bytes()
    assert (gzip.decompress(data) if ending else data) == (tmp_path / "a.bmes").read_bytes()


def test_conversion_between_json_lines_keeps_white_space(write, tmp_path):
    path = write("a.json", '{"text": " 我 爱", "label": {"PER": {"我": [[1, 1]]}}}\n')
    tagged = convert(path, tmp_path / "b.jsonl")
    assert tagged.sentences == [["我", "爱"]]
    assert (tmp_path / "b.jsonl").read_text("utf-8") == '{"text": " 我 爱", "entities": [[1, 2, "PER"]]}\n'


def test_sentences_without_tokens_are_not_left_out_silently(write, tmp_path):
    path = write("a.jsonl", '{"text": "", "entities": []}\n{"text": "我", "entities": []}\n')
    convert(path, tmp_path / "b.jsonl")
    assert len(read_tagged(tmp_path / "b.jsonl").sentences) == 2
    with pytest.warns(
        UserWarning, match=r"^1 sentences without tokens have no lines in .*b.bmes: .*a.jsonl:1$"
    ) as caught:
        convert(path, tmp_path / "b.bmes")
    assert caught[0].filename == __file__
    assert read_tagged(tmp_path / "b.bmes").sentences == [["我"]]


def test_conversion_repairs_with_a_warning_that_points_at_its_caller(write, tmp_path):
    path = write("a.bmes", "中 M-LOC\n国 E-LOC\n")
    with pytest.warns(UserWarning, match="1 illegal BMES tags repaired") as caught:
        convert(path, tmp_path / "b.bio", scheme="BIO")
    assert caught[0].filename == __file__
    assert (tmp_path / "b.bio").read_text("utf-8") == "中 B-LOC\n国 I-LOC\n\n"
    with pytest.raises(InputError, match=r"a.bmes:1: M-LOC continues no entity$"):
        convert(path, tmp_path / "b.bio", repair="refuse")


def test_a_conversion_that_fails_leaves_the_target_as_it_was(write, tmp_path):
    target = write("b.bio", "old")
    with pytest.raises(InputError, match=r"a\.jsonl:1: not a JSON object"):
        convert(write("a.jsonl", "{"), target)
    with pytest.raises(InputError, match=r"^scheme='IOB'"):
        convert(write("a.bmes", BMES), target, scheme="IOB")
    assert target.read_text() == "old"
    with pytest.raises(InputError, match="cannot be written: there is no folder"):
        convert(write("a.bmes", BMES), tmp_path / "no" / "b.bio")


def test_a_warning_of_a_data_set_points_at_whoever_loads_it(write, tmp_path):
    (tmp_path / "ner" / "resume_ner").mkdir(parents=True)
    write("ner/resume_ner/dev.char.bmes", "中 M-LOC\n国 E-LOC\n")
    with pytest.warns(UserWarning, match="1 illegal BMES tags repaired") as caught:
        read_resume(lambda name: tmp_path / name, split="dev")
    assert caught[0].filename == __file__


def test_resume_has_splits(tmp_path):
    with pytest.raises(InputError, match=r"^split='valid': expected one of train, dev, test$"):
        read_resume(lambda name: tmp_path / name, split="valid")


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore:.*4 illegal BMES tags")
@pytest.mark.parametrize(
    "split, size, characters", [("train", 3_821, 124_099), ("dev", 463, 13_890), ("test", 477, 15_100)]
)
def test_resume_has_its_known_size(data_folder, tmp_path, split, size, characters):
    path = data_folder / f"ner/resume_ner/{split}.char.bmes"
    tagged = read_resume(lambda name: data_folder / name, split=split)
    assert len(tagged.sentences) == size
    assert sum(map(len, tagged.sentences)) == characters
    assert len({span.label for spans in tagged.spans for span in spans}) == 8
    assert path.stat().st_size == next(file.size for file in RESUME.files if split in file.path)
    convert(path, tmp_path / "a.bio", scheme="BIO")
    convert(tmp_path / "a.bio", tmp_path / "b.jsonl")
    again = convert(tmp_path / "b.jsonl", tmp_path / "c.bmes")
    assert (again.sentences, again.spans) == (tagged.sentences, tagged.spans)
    if split != "train":  # which has illegal tags
        assert (tmp_path / "c.bmes").read_bytes() == path.read_bytes()


@pytest.mark.realdata
def test_the_illegal_tags_of_resume_are_named(data_folder):
    path = data_folder / "ner/resume_ner/train.char.bmes"
    with pytest.warns(UserWarning, match="4 illegal BMES tags") as caught:
        read_tagged(path)
    lines = re.findall(r"bmes:(\d+): M-ORG", str(caught[0].message))
    assert (len(caught), lines) == (1, ["62390", "62392", "64412"])


def test_a_file_is_not_converted_into_itself(tmp_path):
    file = tmp_path / "some.bio"
    file.write_text("长 B-LOC\n江 I-LOC\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"some\.bio is a file that is read"):
        convert(file, tmp_path / "." / "some.bio")
    assert file.read_text(encoding="utf-8") == "长 B-LOC\n江 I-LOC\n"

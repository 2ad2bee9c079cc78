import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mediation.niftis import complaint, refused

from latticework.mediation.joining import join, read_ids, rows_of
from latticework.mediation.participants import participants
from latticework.mediation.tables import read_table

PEOPLE = [
    "participant_id\tage\tsex\tsite\tdose\tmemory",
    "01\t20\tM\tB\t1\t3.5",
    "02\t31\tF\tA\t0\t4.5",
    "10\t42\tF\tC\t1\t1e1",
    "007\t25\tM\tA\t2\t-1",
]


def test_tables_keep_ids_as_text_and_know_numbers(write):
    table = read_table(write("p.tsv", PEOPLE), id_column="participant_id")
    assert table["participant_id"].tolist() == ["01", "02", "10", "007"]
    assert table["memory"].tolist() == [3.5, 4.5, 10, -1]
    assert table["site"].tolist() == ["B", "A", "C", "A"]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_columns_are_found_by_the_header(write, mark):
    lines = [line.replace("\t", mark) for line in PEOPLE]
    for name in ("p.csv", "p.txt"):
        assert read_table(write(name, lines))["dose"].tolist() == [1, 0, 1, 2]
    packed = write("p.csv.gz", gzip.compress("\n".join(lines).encode()))
    assert read_table(packed)["age"].tolist() == [20, 31, 42, 25]


@pytest.mark.parametrize("one, other", [("1_0", "3_4"), ("\u0661", "\u0663,\u0665"), ("\uff11", "2")])
def test_what_python_alone_takes_for_numbers_is_text(write, one, other):
    lines = ["participant_id\tsite\tdose\tmemory", *(f"{n}\t{(one, other)[n % 2]}\t{n}\t{n * n}" for n in range(6))]
    table = write("p.tsv", lines)
    assert read_table(table)["site"].tolist() == [one, other] * 3
    people = participants(table, exposure="dose", outcome="memory", confounders=["site"])
    assert people.confounder_names == (f"site={max(one, other)}",)


def test_an_outcome_that_python_alone_takes_for_a_number_is_refused(write):
    with refused("the outcome 'memory' is '1_0' for '11': expected numbers"):
        participants(write("p.tsv", [*PEOPLE, "11\t30\tM\tA\t1\t1_0"]), exposure="dose", outcome="memory")


def test_numbers_stay_numbers_where_what_was_none_is_left_out(write):
    table = write("p.tsv", [*PEOPLE, "11\t\tM\tA\t1\thigh"])
    with pytest.warns(UserWarning, match="1 participant"):
        people = participants(table, exposure="dose", outcome="memory", confounders=["age"], missing="drop")
    assert people.outcome.tolist() == [3.5, 4.5, 10, -1]


def test_missing_values_stay_missing(write):
    table = read_table(write("p.csv", ["a,b,c", "1,x,true", "n/a,,FALSE", ",NA,", "nan,y,n/a"]))
    assert np.isnan(table["a"]).tolist() == [False, True, True, True]
    assert table["b"].isna().tolist() == [False, True, True, False]
    assert table["c"].tolist()[:2] == [1, 0]


def test_tables_that_are_none_are_refused_with_their_line(write):
    with refused("t.csv:3", "3 cells"):
        read_table(write("t.csv", ["a,b", "1,2", "1,2,3"]))
    with refused("two columns"):
        read_table(write("t.csv", ["a,a", "1,2"]))
    with refused("header"):
        read_table(write("t.csv", b""))
    with refused("quotation mark"):
        read_table(write("t.csv", ["a,b", '"1,2']))
    with refused("UTF-8"):
        read_table(write("t.csv", b"a,b\n\xff,1\n"))
    with refused("have a comma, expected a point"):
        read_table(write("t.csv", ["a;b", "1,5;2", "2,5;3"]))


def test_participants_become_columns_with_categories(write):
    people = participants(write("p.tsv", PEOPLE), exposure="dose", outcome="memory", confounders=["age", "sex"])
    assert people.ids == ("01", "02", "10", "007")
    assert people.confounder_names == ("age", "sex=M")
    assert people.confounders.tolist() == [[20, 1], [31, 0], [42, 0], [25, 1]]
    lines = ["participant_id,x,y,scanner"] + [f"{n},{n},{n * n},{n % 3}" for n in range(9)]
    table = write("q.csv", lines)
    assert participants(table, exposure="x", outcome="y", confounders=["scanner"]).confounder_names == ("scanner",)
    people = participants(table, exposure="x", outcome="y", confounders=["C(scanner)"])
    assert people.confounder_names == ("scanner=1", "scanner=2")
    assert participants(table, exposure="x", outcome="y").confounders.shape == (9, 0)


@pytest.mark.parametrize(
    "levels",
    [
        (45217001, 45217002, 99000001),
        (0.1234567, 0.1234568, 2),
        (20190304123456787, 20190304123456789, 20190304123456788),
    ],
)
def test_levels_that_differ_in_late_digits_stay_apart(write, levels):
    lines = ["participant_id,x,y,scanner"] + [f"{n},{n},{n * n},{levels[n % 3]}" for n in range(9)]
    people = participants(write("q.csv", lines), exposure="x", outcome="y", confounders=["C(scanner)"])
    _, *others = sorted(map(str, levels))
    assert people.confounder_names == tuple(f"scanner={level}" for level in others)
    assert people.confounders.sum(axis=0).tolist() == [3, 3]


def test_confounders_that_cannot_be_used_are_refused(write):
    table = write("p.tsv", [PEOPLE[0], *(line.replace("F", "M") for line in PEOPLE[1:])])
    with refused("'sex'", "for all participants"):
        participants(table, exposure="dose", outcome="memory", confounders=["sex"])
    with refused("'site'", "levels"):
        participants(table, exposure="dose", outcome="memory", confounders=["site"])
    table = write("q.csv", ["participant_id,x,y,sex,sex=M"] + [f"{n},{n},{n * n},{'FM'[n % 2]},{n}" for n in range(9)])
    with refused("two confounders have the same name, 'sex=M'"):
        participants(table, exposure="x", outcome="y", confounders=["sex", "sex=M"])


def test_columns_that_are_not_there_are_told_with_the_nearest(write):
    table = write("p.tsv", PEOPLE)
    with refused("'memmory'", "Is 'memory' meant?", "age, sex"):
        participants(table, exposure="dose", outcome="memmory")
    with refused("named twice"):
        participants(table, exposure="dose", outcome="dose")
    with refused("'subject'", "id_column (--id-column) names the one of ids"):
        participants(table, exposure="dose", outcome="memory", id_column="subject")
    with refused("missing='fill'"):
        participants(table, exposure="dose", outcome="memory", missing="fill")


def test_text_among_numbers_is_found(write):
    lines = [*PEOPLE, "11\t30\tM\tA\t1\thigh", "12\t30\tM\tA\t1\tlow"]
    with refused("the outcome 'memory' is 'high' for '11', and text for 1 more: expected numbers"):
        participants(write("p.tsv", lines), exposure="dose", outcome="memory")


def test_text_is_no_exposure(write):
    table = write("p.tsv", PEOPLE)
    with refused("exposure 'sex'", "0 and 1", "'M'"):
        participants(table, exposure="sex", outcome="memory")
    with refused("outcome 'site'", "categories"):
        participants(table, exposure="dose", outcome="site")


def test_missing_values_are_refused_or_left_out(write):
    table = write("p.tsv", [*PEOPLE, "x\tn/a\tF\tA\t1\t2", "y\t3\tF\tA\t1\t"])
    with refused("2 participants", "memory", "age", "x, y", "missing='drop'", "--missing drop"):
        participants(table, exposure="dose", outcome="memory", confounders=["age"])
    with pytest.warns(UserWarning, match="2 participants"):
        people = participants(table, exposure="dose", outcome="memory", confounders=["age"], missing="drop")
    assert people.ids == ("01", "02", "10", "007")
    assert people.left_out == ("x", "y")
    with pytest.warns(UserWarning, match="1 participant"):  # what is not used may be missing
        participants(table, exposure="dose", outcome="memory", missing="drop")


def test_ids_are_there_once(write):
    with refused("more than once", "01"):
        participants(write("p.tsv", [*PEOPLE, PEOPLE[1]]), exposure="dose", outcome="memory")
    with refused("row 5 has no participant_id"):
        participants(write("p.tsv", [*PEOPLE, PEOPLE[1].replace("01", "n/a")]), exposure="dose", outcome="memory")


def test_data_frames_are_tables():
    table = pd.DataFrame({"participant_id": ["a", "b", "c"], "x": [1, 2, 3], "y": [True, False, True]})
    people = participants(table, exposure="x", outcome="y")
    assert people.outcome.tolist() == [1, 0, 1]
    with refused("row 3 has no participant_id"):
        participants(table.assign(participant_id=["a", "b", None]), exposure="x", outcome="y")
    with refused("the table: two columns are named 'y'"):
        participants(pd.concat([table, table["y"]], axis=1), exposure="x", outcome="y")
    with refused("the table: two columns are named 'participant_id'"):
        participants(pd.concat([table, table[["participant_id"]]], axis=1), exposure="x", outcome="y")
    with refused("no participant has"), pytest.warns(UserWarning, match="left out"):
        participants(table.assign(y=[None] * 3), exposure="x", outcome="y", missing="drop")


def test_images_are_joined_by_id_in_whatever_order(tmp_path):
    ids = [f"{n:03}" for n in range(1, 30)]
    names = [f"sub-{one}_task-nback_run-1_con.nii.gz" for one in ids]
    scrambled = np.random.default_rng(0).permutation(names).tolist()
    assert [path.name for path in join(ids, scrambled)] == names
    assert [path.name for path in join([f"sub-{one}" for one in ids], scrambled)] == names
    for name in scrambled:
        (tmp_path / name).touch()
    assert [path.name for path in join(ids[::-1], tmp_path)] == names[::-1]
    pattern = "sub-{participant_id}_task-nback_run-1_con.nii.gz"
    assert [path.name for path in join(ids, tmp_path, pattern=pattern)] == names
    assert len(join(ids[1:], tmp_path, pattern=pattern, left_out=ids[:1])) == 28
    assert len(join(ids[1:], tmp_path, left_out=ids[:1])) == 28


def test_ids_are_whole_words_of_names():
    assert [path.name for path in join(["1", "11"], ["con_11.nii", "con_1.nii"])] == ["con_1.nii", "con_11.nii"]
    assert [path.name for path in join(["NDAR_INV1A"], ["NDAR_INV1A_con.nii"])] == ["NDAR_INV1A_con.nii"]
    paths = ["s/sub-02/con_0001.nii", "s/sub-01/con_0001.nii"]
    assert [path.parts[1] for path in join(["01", "02"], paths)] == ["sub-01", "sub-02"]
    with refused("1 participant without an image: 1", "1 image without a participant: sub-3_run-1.nii"):
        join(["1"], ["sub-3_run-1.nii"])  # a run is no participant
    with refused("may be the image of"):
        join(["a", "b"], ["a_b.nii", "b.nii"])


def test_the_folder_of_all_images_names_nobody(tmp_path):
    folder = tmp_path / "wave_4" / "maps"
    (folder / "2").mkdir(parents=True)
    for name in ("1.nii", "2/con.nii", "mean.nii"):
        (folder / name).touch()
    with refused("1 participant without an image: 4", "1 image without a participant", "mean.nii"):
        join(["1", "2", "4"], folder)
    (folder / "mean.nii").unlink()
    assert join(["2", "1"], folder) == (folder / "2" / "con.nii", folder / "1.nii")


def test_everyone_needs_one_image_and_every_image_someone(tmp_path):
    with refused("1 participant without an image: 02", "1 image without a participant: sub-03.nii"):
        join(["01", "02"], ["sub-01.nii", "sub-03.nii"])
    with refused("participant 01 has 2 images", "pattern"):
        join(["01"], ["sub-01_a.nii", "sub-01_b.nii"])
    with refused("no .nii"):
        join(["01"], tmp_path)
    with refused("no folder"):
        join(["01"], tmp_path / "none")
    (tmp_path / "01_con.nii").touch()
    (tmp_path / "02_con.nii").touch()
    with refused("1 image without a participant", "02_con.nii"):
        join(["01"], tmp_path, pattern="{participant_id}_con.nii")
    with refused("1 participant without an image: 03"):
        join(["01", "02", "03"], tmp_path, pattern="{participant_id}_con.nii")
    (tmp_path / "._01_con.nii").touch()  # as macOS leaves them on other disks
    assert len(join(["01", "02"], tmp_path, pattern="{participant_id}_con.nii")) == 2
    (tmp_path / "._03_con.nii").touch()
    with refused("1 image without a participant", "._03_con.nii"):
        join(["01"], tmp_path, pattern="._{participant_id}_con.nii")


@pytest.mark.parametrize(
    "pattern",
    [
        "con.nii",
        "{}.nii",
        "{participant_id!r}.nii",
        "{participant_id:>9}.nii",
        "{participant_id.x}",
        "{a}{participant_id}",
        "{",
        "../{participant_id}.nii",
        "/{participant_id}.nii",
    ],
)
def test_a_pattern_has_the_id_in_it_and_stays_in_the_folder(tmp_path, pattern):
    with refused("pattern"):
        join(["01"], tmp_path, pattern=pattern)


@pytest.mark.parametrize("one", ["../x", "a/b", "..", "a\\b", "a\0"])
def test_ids_lead_nowhere(tmp_path, one):
    with refused("id that names a file"):
        join([one], tmp_path, pattern="{participant_id}.nii")
    with refused("give the folder"):
        join([one], ["a.nii"], pattern="{participant_id}.nii")


def test_ids_of_volumes_are_a_line_each(write):
    assert read_ids(write("v.txt", ["b", "a", "", "c"])) == ("b", "a", "c")
    assert read_ids(write("v.txt", ["", "  ", "b", " \t", "a"])) == ("b", "a")
    assert read_ids(write("v.tsv", ["file\tparticipant_id", "x.nii\tb", "y.nii\ta"])) == ("b", "a")
    with refused("more than once: a"):
        read_ids(write("v.txt", ["a", "a"]))
    with refused("several columns"):
        read_ids(write("v.txt", ["a\tb"]))
    lines = ["description\tparticipant_id", "faces, run 1\tsub-01", "faces, run 1\tsub-02"]
    assert read_ids(write("v.tsv", lines)) == ("sub-01", "sub-02")
    assert read_ids(write("v.csv", ['"participant_id","description"', '"b","faces, run 1"'])) == ("b",)
    with refused("v.tsv: row 2 has no participant_id"):
        read_ids(write("v.tsv", ["participant_id\tfile", "a\tx.nii", "\ty.nii"]))
    with refused("v.tsv:2: 1 cell, and the header has 2"):
        read_ids(write("v.tsv", ["file\tparticipant_id", "x.nii"]))
    with refused("no id in it"):
        read_ids(write("v.txt", ["participant_id"]))
    assert rows_of(["b", "x", "a"], ["a", "b"], ["x"]) == [1, -1, 0]
    with refused("1 volume without a participant: x", "1 participant without a volume: c"):
        rows_of(["a", "x"], ["a", "c"])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.text(alphabet="ab1,;\t\n\r\"'.-e\x00nÄ/", max_size=200).map(str.encode)))
def test_whatever_a_table_holds_only_input_errors_come_out(write, data):
    for name in ("t.tsv", "t.csv"):
        file = write(name, b"participant_id,a,b,c\n" + data)
        told = complaint(participants, file, exposure="a", outcome="b", confounders=["C(c)"])
        assert told is None or name in told
        told = complaint(read_table, write(name, data))
        assert told is None or name in told


@pytest.mark.realdata
def test_real_tables_are_read(data_folder):
    folder = data_folder / "mediation"
    table = read_table(folder / "localizer_participants.tsv", id_column="participant_id")
    behaviour = read_table(folder / "localizer_behavioural.tsv", id_column="participant_id")
    assert (len(table), behaviour.shape[1]) == (94, 126)
    merged = table.merge(behaviour, on="participant_id")
    with pytest.warns(UserWarning, match="6 participants"):
        people = participants(merged, exposure="age", outcome="tv", confounders=["sex", "site"], missing="drop")
    assert people.confounder_names == ("sex=M", "site=SHFJ")
    assert len(people.ids) == 88
    assert len(read_table(folder / "pingouin_mediation.csv")) == 100


def test_numbers_that_are_left_once_those_without_them_are_gone_are_read(write):
    table = write("some.tsv", ["participant_id\tx\ty\tage", "a\t1\tn\tn/a", "b\t2\t1.5\t3", "c\t4\t2\t3", "d\t5\t7\t4"])
    with pytest.warns(UserWarning, match="left out"):
        people = participants(table, exposure="x", outcome="y", confounders=["age"], missing="drop")
    assert people.outcome.tolist() == [1.5, 2, 7]

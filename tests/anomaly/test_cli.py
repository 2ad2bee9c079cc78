"""`latticework anomaly` from end to end: results on stdout, the rest on stderr."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import re
import shlex
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import tifffile
from anomaly.fakes import FakeM3DM, as_calibrated, split

from latticework.anomaly.cli_parts import good_in, parts_in
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.synth import FAMILIES
from latticework.core import State, write_folder
from latticework.core.errors import InputError

SYNTH = ("--seed", 1, "--good", 2, "--validation", 1, "--test-good", 1, "--per-defect", 1, "--size", 32)


@pytest.fixture
def refused(anomaly, refused):
    return partial(refused, "anomaly")


@pytest.fixture
def broken(rings, tmp_path):
    """The rings, one of which has a damaged picture."""
    folder = Path(shutil.copytree(rings, tmp_path / "broken"))
    (folder / "test" / "cut" / "rgb" / "000.png").write_bytes(b"no picture")
    return folder


def lines_of(ended):
    return [json.loads(line) for line in ended.out.splitlines()]


# fit


def test_options_of_fit_reach_the_model(anomaly, rings, tmp_path):
    options = (
        "--banks colour,geometry --fusion max --coreset 0.3 --rate 0.2 --held-out 0.4 --size 64 --seed 7 --device cpu"
    )
    ended = anomaly("fit", rings, "-o", tmp_path / "model", *options.split())
    assert (ended.status, ended.out) == (0, "")
    model = FakeM3DM.load(tmp_path / "model")
    assert (tuple(model.banks), model.fusion, model.coreset) == (("colour", "geometry"), "max", 0.3)
    assert (model.features, model.random_state) == ("handcrafted", 7)
    assert json.loads((tmp_path / "model" / "config.json").read_text())["device"] == "cpu"  # the stand-in notes it
    assert model.config == M3DMConfig(size=64, held_out=0.4, false_alarm_rate=0.2)
    assert model.parts_ == ["train/good/000", "train/good/001", "train/good/002"]


def test_fit_says_what_was_decided_and_what_the_threshold_certifies(anomaly, rings, tmp_path):
    ended = anomaly("fit", rings, "-o", tmp_path / "model")
    decided, limit, model = ended.err.splitlines()[-3:]
    assert decided == "the fusion bank did not help on pseudo-defects: it is left out"
    assert "is defective: 2 held-out parts certify at most 33.3 % of false alarms, not the 5 % asked for" in limit
    assert model == (
        f"the model is in {tmp_path / 'model'}; "
        f"try: latticework anomaly predict {tmp_path / 'model'} {rings / 'test'} --maps maps"
    )


def test_commands_to_try_can_be_pasted(anomaly, rings, tmp_path):
    alone = Path(shutil.copytree(rings / "train" / "good", tmp_path / "good ones"))
    ended = anomaly("fit", alone, "-o", tmp_path / "a model", "--unit", "mm")
    command = shlex.split(ended.err.splitlines()[-1].partition("try: ")[2])
    assert command[2:] == ["predict", f"{tmp_path / 'a model'}", f"{alone}", "--maps", "maps"]
    ended = anomaly("synth", "-o", tmp_path / "the rings", "--family", "ring", *SYNTH)
    command = shlex.split(ended.err.splitlines()[-1].partition("try: ")[2])
    assert command == ["latticework", "anomaly", "fit", f"{tmp_path / 'the rings'}", "-o", "model"]


def test_other_good_parts_may_set_the_threshold_and_without_any_there_is_none(anomaly, rings, tmp_path):
    alone = rings / "train" / "good"
    ended = anomaly("fit", alone, "-o", tmp_path / "one")
    assert "no good part certifies a threshold: there are scores alone" in ended.err
    assert FakeM3DM.load(tmp_path / "one").threshold_ is None
    valid = rings / "test" / "good"
    assert anomaly("fit", alone, "--valid", valid, "-o", tmp_path / "two").status == 0
    assert FakeM3DM.load(tmp_path / "two").threshold_.parts == 3


def test_weights_go_with_pretrained_features(anomaly, refused, rings, tmp_path):
    weights = ("--vit", tmp_path / "dino.pth", "--point-mae", tmp_path / "mae.pth")
    assert anomaly("fit", rings, "-o", tmp_path / "model", "--features", "pretrained", *weights).status == 0
    config = FakeM3DM.load(tmp_path / "model").config
    assert (config.vit, config.point_mae) == (str(tmp_path / "dino.pth"), str(tmp_path / "mae.pth"))
    assert "--features pretrained" in refused("fit", rings, "-o", tmp_path / "new", *weights)
    assert not (tmp_path / "new").exists()


def test_fit_replaces_no_folder_of_something_else(refused, rings, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    refused("fit", rings, "-o", tmp_path / "mine")
    assert (tmp_path / "mine" / "config.json").read_text() == "{}"
    assert "is not a folder" in refused("fit", rings, "-o", tmp_path / "mine" / "config.json" / "model")


def test_fit_replaces_a_model_when_it_is_told_to(anomaly, refused, rings, tmp_path):
    words = ("fit", rings / "train" / "good", "-o", tmp_path / "model")
    write_folder(tmp_path / "model", header={"kind": "model", "class": "anomaly.M3DM"}, state=State())
    told = f"{tmp_path / 'model'} holds a model (anomaly.M3DM) already: choose another folder, or replace"
    assert told in refused(*words)
    assert anomaly(*words, "--restart").status == 0
    assert FakeM3DM.load(tmp_path / "model").parts_


# predict


def test_predict_prints_a_line_of_json_for_each_part(anomaly, saved, rings, model):
    ended = anomaly("predict", saved, rings / "test", "--json")
    assert ended.status == 0
    found = lines_of(ended)
    assert [row["name"] for row in found] == [part.name.removeprefix("test/") for part in split(rings, "test")]
    assert {row["label"] for row in found} >= {"good", "dent", "stain"}
    part = next(part for part in split(rings / "test", None) if part.name == "dent/000")
    row = next(row for row in found if row["name"] == "dent/000")
    expected = model.explain(part)
    assert row["score"] == pytest.approx(expected.score)
    assert (row["defective"], row["error"]) == (True, None)
    assert row["banks"]["colour"]["nearest"]["part"].startswith("train/good/")
    assert "inspecting: 12 of 12 parts (100%)" in ended.err


def test_predict_tells_people_in_a_table(anomaly, saved, rings):
    ended = anomaly("predict", saved, rings / "test")
    header, *rows = ended.out.splitlines()
    assert header.split() == ["score", "p", "part"]
    assert len(rows) == 12
    dent = next(row for row in rows if "dent/000" in row)
    assert dent.startswith("defective ")
    assert "dent/000: at row " in dent
    assert "mm² large and 0.62 mm deep, by geometry" in dent


def test_without_a_threshold_there_is_no_verdict(anomaly, rings, tmp_path):
    anomaly("fit", rings / "train" / "good", "-o", tmp_path / "model")
    ended = anomaly("predict", tmp_path / "model", rings / "test" / "good")
    assert [row.split()[::2] for row in ended.out.splitlines()[1:]] == [["-", "-"]] * 3


def test_predict_writes_maps_overlays_and_tables(anomaly, saved, rings, model, tmp_path):
    ended = anomaly("predict", saved, rings, "--maps", tmp_path / "maps", "--json")
    assert ended.status == 0
    found = lines_of(ended)
    assert [json.loads(line) for line in (tmp_path / "maps/predictions.jsonl").read_text().splitlines()] == found
    table = list(csv.DictReader(io.StringIO((tmp_path / "maps/predictions.csv").read_text())))
    assert [row["name"] for row in table] == [row["name"] for row in found]
    assert {row["map"] for row in found} == {
        path.relative_to(tmp_path / "maps").as_posix() for path in (tmp_path / "maps").rglob("*.tiff")
    }
    part = split(rings, "test")[0]
    assert (tifffile.imread(tmp_path / "maps" / f"{part.name}.tiff") == model.explain(part).map).all()


def test_one_bad_file_is_reported_and_the_others_go_on(anomaly, saved, broken, tmp_path):
    ended = anomaly("predict", saved, broken / "test", "--json", "--maps", tmp_path / "maps")
    assert ended.status == 1
    found = {row["name"]: row for row in lines_of(ended)}
    assert len(found) == 12
    assert "000.png" in found["cut/000"]["error"]
    assert "score" not in found["cut/000"]
    assert ended.err.count("left out: cut/000: ") == 1
    assert ended.err.endswith("1 of 12 parts could not be inspected\n")
    assert not (tmp_path / "maps/cut/000.tiff").exists()
    assert (tmp_path / "maps/dent/000.tiff").exists()
    people = anomaly("predict", saved, broken / "test" / "cut")
    assert (people.status, people.out.splitlines()[1].split()) == (1, ["failed", "-", "-", "000"])


def test_parts_that_lack_a_partner_are_reported_and_stop_a_fit(anomaly, refused, saved, rings, tmp_path):
    folder = Path(shutil.copytree(rings, tmp_path / "odd"))
    for split_name in ("test", "train"):
        (folder / split_name / "good" / "rgb" / "000.png").unlink()
    ended = anomaly("predict", saved, folder / "test", "--json")
    assert (ended.status, len(lines_of(ended))) == (1, 12)
    assert ended.err.count("left out: good/000: ") == 1
    assert "good/xyz/000.tiff: without rgb: files of one part have one name" in ended.err
    assert anomaly("preprocess", folder, "-o", tmp_path / "ready", "--size", 32).status == 1
    assert "without rgb: 000" in refused("fit", folder, "-o", tmp_path / "model")
    ended = anomaly("evaluate", saved, folder)
    assert (ended.status, ended.err.count("left out: test/good/000: ")) == (1, 1)
    shutil.copy(folder / "test/cut/rgb/000.png", folder / "test/cut/rgb/001.png")
    shutil.copy(folder / "test/cut/xyz/000.tiff", folder / "test/cut/xyz/001.tiff")
    assert "gt lacks 001: give one for each part" in refused("evaluate", saved, folder)


def test_two_files_of_one_name_are_reported_and_stop_a_fit(anomaly, refused, saved, rings, tmp_path):
    folder = Path(shutil.copytree(rings, tmp_path / "twice"))
    for split_name in ("test", "train"):
        place = folder / split_name / "good" / "rgb"
        shutil.copy(place / "000.png", place / "000.jpg")
    ended = anomaly("predict", saved, folder / "test", "--json")
    assert (ended.status, len(lines_of(ended))) == (1, 12)
    assert ended.err.count("left out: good/000: ") == 1
    assert "holds 000.jpg and 000.png, both for one part: remove one" in ended.err
    ended = anomaly("evaluate", saved, folder)
    assert (ended.status, ended.err.count("left out: test/good/000: ")) == (1, 1)
    assert "both for one part" in refused("fit", folder, "-o", tmp_path / "model")


def test_each_warning_is_said_once_however_often_parts_are_read(anomaly, saved, rings, tmp_path):
    options = ("--maps", tmp_path / "maps", "--page", tmp_path / "page.html", "--unit", "mm")
    told = anomaly("evaluate", saved, rings, *options).err
    said = re.findall(r"(\d+ more parts|\S+): the points span less than 1 mm", told)
    assert said[1:] == ["13 more parts"], "12 that are evaluated, and 2 good ones of the page"


def test_either_file_of_two_side_by_side_is_the_part(anomaly, saved, rings, tmp_path):
    for kind, ending in (("rgb", "png"), ("xyz", "tiff")):
        shutil.copy(rings / "test" / "dent" / kind / f"000.{ending}", tmp_path / f"dent.{ending}")
    both = lines_of(anomaly("predict", saved, tmp_path / "dent.png", tmp_path / "dent.tiff", "--json"))
    assert [row["name"] for row in both] == ["dent"]
    assert lines_of(anomaly("predict", saved, tmp_path, "--json")) == both
    found = [lines_of(anomaly("explain", saved, tmp_path / f"dent.{ending}", "--json")) for ending in ("png", "tiff")]
    assert found[0] == found[1]


def test_the_unit_of_the_fit_is_that_of_the_other_commands(anomaly, saved, rings, tmp_path):
    folder = Path(shutil.copytree(rings, tmp_path / "mm"))
    for file in folder.rglob("xyz/*.tiff"):
        tifffile.imwrite(file, tifffile.imread(file) * 1000, photometric="rgb")
    assert anomaly("fit", folder, "-o", tmp_path / "model", "--unit", "mm").status == 0
    dent = folder / "test" / "dent" / "xyz" / "000.tiff"
    for command in (("predict", folder / "test"), ("evaluate", folder), ("explain", dent)):
        command = (command[0], tmp_path / "model", *command[1:])
        assert "warning" not in anomaly(*command).err
        assert "more than 10 m" in anomaly(*command, "--unit", "m").err


def test_several_processes_print_the_same(anomaly, saved, rings, monkeypatch):
    import joblib

    with joblib.parallel_config(backend="threading"):
        several = anomaly("predict", saved, rings / "test", "--json", "--jobs", 2)
    assert several.out == anomaly("predict", saved, rings / "test", "--json").out


def test_no_number_of_processes_is_refused(refused, saved, rings):
    assert "--jobs=0" in refused("predict", saved, rings, "--jobs", 0)


def test_on_a_terminal_results_go_to_stdout_and_no_bar_is_between_them(anomaly, saved, rings, monkeypatch):
    from latticework.anomaly import cli

    monkeypatch.setattr(cli, "sys", Terminal(sys))
    ended = anomaly("predict", saved, rings / "test" / "good", "--json")
    assert len(lines_of(ended)) == 3
    assert ended.err == ""


class Terminal:
    """A `sys` whose stdout says that it is one."""

    def __init__(self, real):
        self.real = real

    @property
    def stdout(self):
        stdout = self.real.stdout
        stdout.isatty = lambda: True
        return stdout


def test_files_and_folders_of_parts_are_taken_together_each_once(rings, tmp_path):
    other = Path(shutil.copytree(rings / "test", tmp_path / "other"))
    picture = rings / "test" / "cut" / "rgb" / "000.png"
    cloud = rings / "test" / "cut" / "xyz" / "000.tiff"
    assert [part.name for part in parts_in([picture, cloud], unit="m")] == ["000"]
    assert len(parts_in([rings / "test", picture, rings / "test/../test/cut"], unit="m")) == 12
    both = parts_in([rings / "test", other], unit="m")
    assert len(both) == len({part.name for part in both}) == 24
    assert {part.name.split("/")[0] for part in both} == {"test", "other"}
    assert [part.unit for part in parts_in([picture], unit="mm")] == ["mm"]
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("a.png", "b.png"):  # as stores by content have files that are equal
        (linked / name).symlink_to(picture)
    assert [part.name for part in parts_in([linked, linked / "a.png"], unit="m")] == ["a", "b"]
    clash = Path(shutil.copytree(rings / "test", tmp_path / "again" / "test"))
    with pytest.raises(InputError, match="several of the parts that were given are called test/bend/000"):
        parts_in([rings / "test", clash], unit="m")


def test_maps_are_not_written_into_a_file(refused, saved, rings, tmp_path):
    (tmp_path / "file").write_text("mine")
    for verb in ("predict", "evaluate"):
        assert "file is not a folder" in refused(verb, saved, rings, "--maps", tmp_path / "file")


def test_maps_are_not_written_over_others_unless_their_run_was_cut_off(
    anomaly, refused, saved, rings, tmp_path, monkeypatch
):
    def full(path, rgb):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    words = ("predict", saved, rings / "test" / "cut", "--maps", tmp_path / "maps")
    with monkeypatch.context() as patch:
        patch.setattr("latticework.anomaly.report.outputs.write_picture", full)
        assert anomaly(*words).status == 1
    other = tmp_path / "other"
    as_calibrated(FakeM3DM.load(saved), 0.5).save(other)
    for verb, model, parts in (
        ("predict", saved, rings),
        ("evaluate", saved, rings),
        ("predict", other, rings / "test" / "cut"),
    ):
        assert "maps of other parts or by another model" in refused(verb, model, parts, "--maps", tmp_path / "maps")
    assert anomaly(*words).status == 0
    assert (tmp_path / "maps" / "predictions.jsonl").stat().st_size > 0
    for verb in ("predict", "evaluate"):
        assert "maps holds other things, such as 0" in refused(verb, saved, rings, "--maps", tmp_path / "maps")


def test_maps_are_not_written_among_the_parts(refused, saved, rings):
    before = sorted(rings.rglob("*"))
    for place in (rings, rings / "maps", rings / "test" / ".." / "maps"):
        assert "is " in refused("predict", saved, rings, "--maps", place)
        refused("evaluate", saved, rings, "--maps", place)
    assert sorted(rings.rglob("*")) == before


# evaluate


def test_evaluate_gives_the_figures_as_json(anomaly, saved, rings, model):
    ended = anomaly("evaluate", saved, rings, "--json")
    assert ended.status == 0
    (found,) = lines_of(ended)
    expected = model.evaluate(split(rings, "test")).as_dict()
    assert found["image_auroc"] == pytest.approx(expected["image_auroc"])
    assert {"pixel_auroc", "aupro", "aupro_0.3", "aupro_0.01", "image_ap", "image_f1_max", "by_label", "banks"} <= set(
        found
    )
    assert set(found["by_label"]) == set(expected["by_label"])
    assert found["parts"] == 12


def test_evaluate_tells_people_in_tables(anomaly, saved, rings):
    ended = anomaly("evaluate", saved, rings)
    first, second, *_ = ended.out.splitlines()
    assert first == "3 good parts, 9 defective"
    assert re.fullmatch(r"image AUROC: [01]\.\d{3}, 95 % interval [01]\.\d{3} to [01]\.\d{3}", second)
    assert "19 held-out parts certify at most 5 % of false alarms" in ended.out
    for title in ("all parts, banks fused", "  dent", "  geometry"):
        (row,) = [line for line in ended.out.splitlines() if line.startswith(title)]
        assert len(row.removeprefix(title).split()) == 8


def test_another_split_may_be_measured_and_one_kind_has_no_figures(anomaly, saved, rings):
    (found,) = lines_of(anomaly("evaluate", saved, rings, "--split", "validation", "--json"))
    assert (found["parts"], found["image_auroc"]) == (2, None)
    assert "2 good parts, 0 defective" in anomaly("evaluate", saved, rings, "--split", "validation").out


def test_evaluate_reports_a_bad_file_and_goes_on(anomaly, saved, broken):
    ended = anomaly("evaluate", saved, broken, "--json")
    assert ended.status == 1
    (found,) = lines_of(ended)
    assert (found["parts"], list(found["failed"])) == (11, ["test/cut/000"])
    assert "left out: test/cut/000: " in ended.err


def test_evaluate_writes_a_page_and_maps(anomaly, saved, rings, tmp_path, monkeypatch):
    monkeypatch.setattr(FakeM3DM, "noise", 1.2)
    ended = anomaly("evaluate", saved, rings, "--page", tmp_path / "page.html", "--maps", tmp_path / "maps", "--json")
    assert (ended.status, len(lines_of(ended))) == (0, 1)
    text = (tmp_path / "page.html").read_text()
    assert "<h1>Inspection of ring</h1>" in text
    assert "a false alarm" in text
    banks = 4
    cards = text.count("most like, of good parts")
    assert cards
    assert text.count("<image") == cards * (3 + 2 * banks), "good parts of the folder are those of the fit"
    assert len(list((tmp_path / "maps").rglob("*.tiff"))) == 12
    assert f"the page is {tmp_path / 'page.html'}" in ended.err


def test_maps_of_an_evaluation_are_those_of_a_prediction(anomaly, saved, broken, tmp_path, monkeypatch):
    anomaly("predict", saved, broken, "--maps", tmp_path / "predicted")
    inspected = []
    explain = FakeM3DM.explain
    monkeypatch.setattr(FakeM3DM, "explain", lambda self, part: inspected.append(part.name) or explain(self, part))
    anomaly("evaluate", saved, broken, "--maps", tmp_path / "evaluated")
    assert len(inspected) == len(set(inspected)) == 11, "each that can be read, once"
    rows = [json.loads(line) for line in (tmp_path / "evaluated" / "predictions.jsonl").read_text().splitlines()]
    assert [row["name"] for row in rows if row["error"]] == ["test/cut/000"]
    for file in (tmp_path / "evaluated").rglob("*.tiff"):
        assert (tmp_path / "predicted" / file.relative_to(tmp_path / "evaluated")).read_bytes() == file.read_bytes()


def test_pictures_of_good_parts_are_shown_only_if_all_that_the_model_knows_are_there(rings, model, tmp_path):
    assert good_in(None, rings, model, unit="m")("train/good/000") is not None
    assert good_in(None, rings / "test", model, unit="m")("train/good/000") is None
    fewer = Path(shutil.copytree(rings, tmp_path / "ring"))
    for kind in ("rgb/000.png", "xyz/000.tiff"):
        (fewer / "train" / "good" / kind).unlink()
    assert good_in(None, fewer, model, unit="m")("train/good/001") is None
    assert good_in(fewer, None, model, unit="m")("train/good/001") is not None
    assert good_in(None, None, model, unit="m")("train/good/001") is None


def test_good_parts_are_for_a_page(refused, saved, rings):
    assert "--page" in refused("evaluate", saved, rings, "--good", rings)
    assert "expected the name of a file" in refused("evaluate", saved, rings, "--page", rings)
    picture = rings / "test/cut/rgb/000.png"
    assert "--page" in refused("explain", saved, picture, "--good", rings)
    assert "is a file that is read" in refused("explain", saved, picture, "--page", picture)
    for words in (("evaluate", saved, rings), ("explain", saved, picture, "--good", rings)):
        assert "is a file of" in refused(*words, "--page", rings / "test/good/rgb/000.png")
    assert "is a file of" in refused("explain", saved, picture, "--page", saved / "config.json")


def test_good_parts_that_are_none_of_the_fit_are_refused_first(refused, saved, rings, tmp_path, monkeypatch):
    monkeypatch.setattr(FakeM3DM, "explain", lambda *_: pytest.fail("too late"))
    page = tmp_path / "page.html"
    for words in (("evaluate", saved, rings), ("explain", saved, rings / "test/cut/rgb/000.png")):
        told = refused(*words, "--page", page, "--good", rings / "train")
        assert f"--good {rings / 'train'} holds none of the parts of the fit, such as train/good/000" in told
        assert "there is no such file or folder" in refused(*words, "--page", page, "--good", tmp_path / "typo")


# explain


def test_explain_tells_of_one_part(anomaly, saved, rings, tmp_path):
    file = rings / "test" / "dent" / "rgb" / "000.png"
    ended = anomaly("explain", saved, file, "--page", tmp_path / "part.html", "--good", rings)
    assert ended.status == 0
    first, share, colour, *rest = ended.out.splitlines()
    assert first.startswith("000: defective, score ")
    assert re.fullmatch(r"at most \d+ % of good parts score as high", share)
    score = first.rpartition(" ")[2]
    assert re.match(rf"colour: [\d.]+ of {score}; worst at row ", colour)
    assert ", most like train/good/" in colour
    assert rest[-1].startswith("region ")
    assert "test/dent/rgb/000</h1>" in (tmp_path / "part.html").read_text()
    (found,) = lines_of(anomaly("explain", saved, file, "--json"))
    assert set(found["banks"]) == {"colour", "texture", "geometry", "form"}
    assert found["regions"][0]["depth_mm"] == -0.62


def test_where_no_region_is_marked_the_worst_patch_of_a_defective_part_is_told(anomaly, saved, rings, monkeypatch):
    explain = FakeM3DM.explain
    monkeypatch.setattr(FakeM3DM, "explain", lambda *given: replace(explain(*given), regions=()))
    row = anomaly("predict", saved, rings / "test" / "dent").out.splitlines()[1]
    told = re.search(r"  000: (no region stands out; worst at row \d+, column \d+, by colour)$", row)[1]
    assert anomaly("explain", saved, rings / "test" / "dent").out.splitlines()[-1] == told
    row = anomaly("predict", saved, rings / "train" / "good").out.splitlines()[1]
    assert row.endswith("  000")
    (*_, last) = anomaly("explain", saved, rings / "train" / "good" / "rgb" / "000.png").out.splitlines()
    assert last == "no region is marked"


def test_explain_takes_one_part(refused, anomaly, saved, rings):
    assert "holds 3 parts: name a file of one of them" in refused("explain", saved, rings / "test" / "good")
    assert anomaly("explain", saved, rings / "test" / "cut").status == 0


@pytest.mark.parametrize("verb", ["predict", "evaluate", "explain"])
def test_what_is_not_there_is_bad_input(refused, saved, rings, tmp_path, verb):
    part = rings / "test" / "dent" / "rgb" / "000.png"
    assert "there is no such file or folder" in refused(verb, saved, tmp_path / "none")
    assert "cannot be read: File name too long" in refused(verb, saved, tmp_path / ("a" * 300))
    assert "is no saved model" in refused(verb, tmp_path, part if verb == "explain" else rings)


# synth and preprocess


def test_synth_writes_a_family_directly_or_all_in_folders(anomaly, tmp_path):
    ended = anomaly("synth", "-o", tmp_path / "ring", "--family", "ring", "--contrast", "hard", *SYNTH)
    assert (ended.status, ended.out) == (0, "")
    assert f"the parts are in {tmp_path / 'ring'}; try: latticework anomaly fit " in ended.err
    about = json.loads((tmp_path / "ring" / "synth.json").read_text())
    assert (about["family"], about["contrast"], about["seed"], about["size"]) == ("ring", "hard", 1, 32)
    assert (about["good"], about["validation"], about["test_good"], about["per_defect"]) == (2, 1, 1, 1)
    less = (*SYNTH[:-4], "--per-defect", 0, "--size", 32)
    ended = anomaly("synth", "-o", tmp_path / "all", *less)
    assert (ended.status, len(list((tmp_path / "all").iterdir()))) == (0, 6)
    assert "in 6 folders in " in ended.err


def test_synth_refuses_what_it_does_not_know_and_has_a_seed(anomaly, refused, tmp_path):
    assert "teapot" in refused("synth", "-o", tmp_path / "x", "--seed", 1, "--family", "teapot")
    assert "--jobs=0" in refused("synth", "-o", tmp_path / "x", "--seed", 1, "--jobs", 0)
    assert anomaly("synth", "-o", tmp_path / "x", "--family", "ring", *SYNTH[2:]).status == 0
    assert json.loads((tmp_path / "x" / "synth.json").read_text())["seed"] == 0


def test_preprocess_writes_elsewhere_and_reports_a_bad_file(anomaly, broken, tmp_path):
    before = {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()}
    command = ("preprocess", broken, "-o", tmp_path / "ready", "--size", 32, "--split", "test")
    ended = anomaly(*command)
    assert (ended.status, ended.out) == (1, "")
    assert f"11 parts written into {tmp_path / 'ready'}, 1 left out" in ended.err
    assert {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()} == before
    assert split(tmp_path / "ready", "test")[0].read().size == (32, 32)
    again = anomaly(*command)
    assert f"0 parts written into {tmp_path / 'ready'}, 11 were there, 1 left out" in again.err


def test_preprocess_may_keep_the_size(anomaly, rings, tmp_path):
    ended = anomaly("preprocess", rings, "-o", tmp_path / "ready", "--size", 0, "--split", "validation")
    assert ended.status == 0
    assert split(tmp_path / "ready", "validation")[0].read().size == (48, 48)


# all of them


@pytest.mark.parametrize(
    "command, options",
    [
        ("fit", "--output --valid --held-out --rate --banks --fusion --features --mode --coreset --size --seed"),
        ("predict", "--maps --jobs --device --json"),
        ("evaluate", "--maps --page --good --device --json"),
        ("explain", "--page --good --device --json"),
        ("synth", "--output --seed --family --contrast --good --validation --test-good --per-defect --size --jobs"),
        ("preprocess", "--output --size --split --jobs"),
    ],
)
def test_every_option_is_described(anomaly, undescribed, command, options):
    assert undescribed("anomaly", command, options=options) == []


def test_help_names_the_families_of_parts(anomaly):
    shown = anomaly("synth", "--help").out
    assert [family for family in FAMILIES if family not in shown] == []


def test_pages_need_their_extra_before_anything_is_inspected(anomaly, saved, rings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setattr(FakeM3DM, "explain", lambda *_: pytest.fail("too late"))
    for command in (("evaluate", saved, rings), ("explain", saved, rings / "test" / "cut")):
        ended = anomaly(*command, "--page", tmp_path / "page.html")
        assert (ended.status, ended.out) == (1, "")
        assert "pip install 'latticework[pages]'" in ended.err


def test_p_values_that_are_not_known_are_null(anomaly, rings, tmp_path):
    anomaly("fit", rings / "train" / "good", "-o", tmp_path / "model")
    (row, *_) = lines_of(anomaly("predict", tmp_path / "model", rings / "test" / "good", "--json"))
    assert (row["p_value"], row["defective"], math.isfinite(row["score"])) == (None, None, True)

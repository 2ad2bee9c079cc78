"""Maps, overlays and tables: what was found, at the size of the picture, in places that no name leads out of."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import tifffile
from anomaly.fakes import split
from PIL import Image

from latticework.anomaly.findings.calibration import threshold
from latticework.anomaly.findings.results import BankScore, Inspection, Nearest, Region
from latticework.anomaly.report import outputs as module
from latticework.anomaly.report.heat import LEVEL, LIGHTNESS, STEPS, Scale, heat_colours, heat_curve
from latticework.anomaly.report.outputs import Outputs, csv_of, files_of, row_of, safe_place
from latticework.anomaly.report.overlays import OPACITY, edge, layers, overlay, painted, picture_of, shaded
from latticework.anomaly.scans.found import Found
from latticework.anomaly.scans.sample_files import read_sample
from latticework.anomaly.scans.samples import Sample
from latticework.core.errors import InputError

SIZE = (30, 40)


def sample(name="cut/000", **given):
    return Sample.of(rgb=np.full((*SIZE, 3), 90, dtype=np.uint8), name=name, label="cut", **given)


def inspection(name="cut/000", **given):
    """A part with a defect of 4 x 5 pixels in one place, and one of a single pixel in another."""
    scores = np.full(SIZE, 0.1, dtype=np.float32)
    scores[8:12, 20:25] = np.linspace(2.0, 3.0, 20, dtype=np.float32).reshape(4, 5)
    scores[20, 10] = 2.5
    part = np.zeros(SIZE, dtype=bool)
    part[2:-2, 2:-2] = True
    nearest = Nearest("train/good/001", 3, 4, 0.5)
    banks = (
        BankScore("colour", 3.0, 2.0, 8, 20, nearest),
        BankScore("geometry", 0.5, 1.0, 9, 21, None),
    )
    regions = (
        Region(8, 20, 12, 25, 20, 3.0, "colour", 12.5, -0.75),
        Region(20, 10, 21, 11, 1, 2.5, "colour", None, None),
    )
    marked = (scores > 2.0).astype(np.int64)
    marked[8, 20] = 1
    found = replace(Inspection(name, 3.0, 0.05, True, banks, regions, scores, part, marked), **given)
    return found if found.regions else replace(found, marked=np.zeros(SIZE, dtype=np.int64))


# colours


def test_heat_goes_up_in_equal_steps_that_are_seen_as_equal():
    curve = heat_curve()
    steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    assert len(curve) == STEPS
    assert steps.max() < 1.02 * steps.min()
    assert (np.diff(curve[:, 0]) > 0).all(), "it gets lighter all the way, so that grey prints show it too"
    np.testing.assert_allclose(curve[[0, -1], 0], LIGHTNESS)


def test_colours_of_heat_differ_and_are_those_of_the_curve():
    colours = heat_colours().astype(int)
    assert len(np.unique(colours, axis=0)) == STEPS
    # The published example of Oklab, read backwards: its red is (0.628, 0.225, 0.126).
    from latticework.anomaly.report.heat import _displayed, _linear

    red = _displayed(_linear(np.array([[0.62796, 0.22486, 0.12585]])))
    np.testing.assert_allclose(red, [[1, 0, 0]], atol=2e-3)


def test_the_same_score_has_the_same_heat_in_all_pictures_of_a_scale():
    mild = inspection(map=inspection().map / 2.5, defective=False, regions=())
    scale = Scale.of([inspection(), mild], level=1.5)
    worst, good = (layers(found, scale)[0] for found in (inspection(), mild))
    assert worst.max() == 1
    assert 0 < good.max() < LEVEL, "below the threshold everywhere, and cool"
    same = inspection(map=np.where(mild.map == mild.map.max(), np.float32(2.5), mild.map))
    assert layers(same, scale)[0].max() == worst[20, 10]
    assert scale(np.array([[1.5]], dtype=np.float32)) == np.float32(LEVEL)


def test_what_is_hardly_above_the_threshold_is_not_the_hottest():
    scale = Scale.of([inspection()], level=2.9)
    assert scale.high == pytest.approx(2.9 + 2.8)
    assert Scale.of([inspection()], level=0.05) == Scale(-0.95, 3.0, 0.05), "a threshold below every score"
    nothing = inspection(foreground=np.zeros(SIZE, dtype=bool))
    assert (Scale.of([nothing]), Scale.of([], level=2.0)) == (Scale(0.0, 1.0), Scale(1.0, 3.0, 2.0))
    assert Scale.of([inspection()]) == Scale(float(np.float32(0.1)), 3.0)


# overlays


def test_an_overlay_is_the_picture_where_nothing_is_found():
    found = inspection()
    shown = overlay(found, sample())
    assert (shown.shape, shown.dtype) == ((*SIZE, 3), np.uint8)
    np.testing.assert_array_equal(shown[0, 0], [90, 90, 90])
    np.testing.assert_array_equal(shown[5, 5], [90, 90, 90])
    assert not (shown[2, 2] == 90).all(), "the rim of the part"
    assert not (shown[9, 22] == 90).all()
    assert (shown == (0, 235, 255)).all(axis=-1).any(), "the outline of a region"


def test_the_hottest_pixel_has_the_last_colour_over_the_picture():
    hottest = overlay(inspection(regions=()), sample())[11, 24]
    np.testing.assert_allclose(hottest, 90 + OPACITY * (heat_colours()[-1].astype(float) - 90), atol=0.51)


def test_a_part_that_is_good_everywhere_has_no_heat_unless_it_is_asked_for():
    found = inspection(defective=False, regions=())
    np.testing.assert_array_equal(overlay(found, sample())[9, 22], [90, 90, 90])
    assert not (overlay(found, sample(), scale=Scale(0.1, 3.0))[9, 22] == 90).all()
    assert not (overlay(replace(found, defective=None), sample())[9, 22] == 90).all(), "not known to be good"


def test_where_the_defect_truly_is_is_red_and_the_outline_of_a_region_lies_over_that():
    grey, truth = picture_of(sample()), np.zeros(SIZE, dtype=bool)
    truth[8:12, 10:25] = True
    shown = painted(grey, np.zeros(SIZE, dtype=np.float32), truth=truth)
    assert shown[7, 15].tolist() == [255, 45, 45]
    np.testing.assert_array_equal(shown[9, 15], [90, 90, 90])
    found = inspection()
    both = painted(grey, *layers(found), truth)
    assert both[7, 12].tolist() == [255, 45, 45]
    assert both[7, 22].tolist() == [0, 235, 255]


def test_an_edge_is_inside_and_not_where_the_picture_ends():
    mask = np.zeros((9, 9), dtype=bool)
    mask[:, 3:] = True
    np.testing.assert_array_equal(np.flatnonzero(edge(mask, 2)[4]), [3, 4])


def test_maps_without_a_finite_value_or_without_any_difference_are_shown_as_the_picture():
    for scores in (np.full(SIZE, np.nan, dtype=np.float32), np.ones(SIZE, dtype=np.float32)):
        found = inspection(map=scores, regions=(), foreground=np.ones(SIZE, dtype=bool))
        np.testing.assert_array_equal(overlay(found, sample()), picture_of(sample()))
    nowhere = inspection(foreground=np.zeros(SIZE, dtype=bool), regions=())
    np.testing.assert_array_equal(overlay(nowhere, sample()), picture_of(sample()))


def test_a_map_of_another_size_is_refused():
    with pytest.raises(InputError, match="the map is 40 x 30, the picture 6 x 5: give the sample"):
        overlay(inspection(), Sample.of(rgb=np.zeros((5, 6, 3))))


def test_points_without_colours_are_shown_as_a_surface_in_the_light():
    rows, columns = np.mgrid[:30, :40].astype(np.float32) / 1000
    depth = 0.5 - 0.01 * np.exp(-((rows - 0.015) ** 2 + (columns - 0.02) ** 2) / 0.005**2).astype(np.float32)
    xyz = np.stack([columns, rows, depth], axis=-1)
    xyz[:, :3] = np.nan
    shown = shaded(xyz)
    assert (shown[:, :3] < 25).all()
    assert shown[10, 15] > shown[5, 35] > shown[20, 25], "lit from the upper left, so dark at the lower right"
    np.testing.assert_array_equal(picture_of(Sample.of(xyz=xyz))[..., 0], shown)
    line = np.full((1, 5, 3), 0.5, dtype=np.float32)
    assert shaded(line).shape == (1, 5)


# files


def test_maps_are_floats_of_the_size_of_the_picture_and_overlays_are_what_overlay_gives(tmp_path):
    found = inspection()
    with Outputs(tmp_path / "new" / "maps") as outputs:
        row = outputs.add(sample(), found)
    assert (row["map"], row["overlay"]) == ("cut/000.tiff", "cut/000.png")
    written = tifffile.imread(tmp_path / "new" / "maps" / "cut" / "000.tiff")
    assert written.dtype == np.float32
    np.testing.assert_array_equal(written, found.map)
    picture = np.asarray(Image.open(tmp_path / "new" / "maps" / "cut" / "000.png"))
    np.testing.assert_array_equal(picture, overlay(found, sample()))
    with Outputs(tmp_path / "other", map_threshold=threshold([0.5, 1.5], rate=0.4)) as outputs:
        outputs.add(sample(), found)
    picture = np.asarray(Image.open(tmp_path / "other" / "cut" / "000.png"))
    np.testing.assert_array_equal(picture, overlay(found, sample(), scale=Scale.of([found], 1.5)))


def test_the_same_results_give_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        with Outputs(tmp_path / folder) as outputs:
            outputs.add(sample(), inspection())
    for file in ("cut/000.tiff", "cut/000.png", "predictions.csv", "predictions.jsonl"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_tables_have_a_row_for_each_part_failed_ones_too(tmp_path):
    broken = Found("cut/001", "cut")
    with Outputs(tmp_path) as outputs:
        outputs.add(sample(), inspection())
        outputs.add(broken, InputError("001.png is cut off"))
    lines = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == ["cut/000", "cut/001"]
    assert lines[0]["banks"]["colour"]["nearest"] == {"part": "train/good/001", "row": 3, "column": 4, "distance": 0.5}
    assert lines[1] == {
        "name": "cut/001",
        "label": "cut",
        "error": "001.png is cut off",
        "map": None,
        "overlay": None,
    }
    first, second = csv.DictReader(io.StringIO((tmp_path / "predictions.csv").read_text()))
    assert (first["name"], first["defective"], first["score"], first["regions"]) == ("cut/000", "True", "3.0", "2")
    assert (first["worst_top"], first["worst_area_mm2"], first["worst_depth_mm"]) == ("8", "12.5", "-0.75")
    assert (first["colour_score"], first["geometry_score"], first["map"]) == ("3.0", "0.5", "cut/000.tiff")
    assert (second["error"], second["score"], second["map"]) == ("001.png is cut off", "", "")


def test_a_part_that_can_no_longer_be_read_has_an_error_and_no_map(tmp_path):
    with Outputs(tmp_path / "maps") as outputs:
        row = outputs.add(Found("a", file=tmp_path / "gone.png"), inspection("a"))
    assert "gone.png" in row["error"]
    assert (row["map"], sorted(path.name for path in (tmp_path / "maps").iterdir())) == (
        None,
        ["predictions.csv", "predictions.jsonl"],
    )


def cut_off(folder, parts, **model):
    """An inspection that ends after its first part."""

    def inspected():
        with Outputs(folder, parts, **model) as outputs:
            outputs.add(parts[0], inspection(parts[0].name))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inspected()


def test_no_table_is_written_after_an_error_and_the_maps_stay(tmp_path):
    cut_off(tmp_path, [sample("000")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000.png", "000.tiff", "predictions.unfinished"]


def test_only_the_same_inspection_goes_on_where_one_did_not_end(tmp_path):
    parts = [sample("000"), sample("unfinished/001")]
    cut_off(tmp_path, parts, model="a")
    for others, model in ((parts, "b"), (parts, ""), (parts[:1], "a"), ([*parts, sample("002")], "a")):
        with (
            pytest.raises(InputError, match="maps of other parts or by another model"),
            Outputs(tmp_path, others, model=model),
        ):
            pass
    with Outputs(tmp_path, parts, model="a") as outputs:
        for part in parts:
            outputs.add(part, inspection(part.name))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000.png",
        "000.tiff",
        "predictions.csv",
        "predictions.jsonl",
        "unfinished",
    ]


def test_parts_of_one_name_in_other_files_are_others(tmp_path):
    first, second = (Found("000", file=tmp_path / folder / "000.png") for folder in ("first", "second"))
    for part in (first, second):
        part.file.parent.mkdir()
        Image.fromarray(np.zeros((*SIZE, 3), dtype=np.uint8)).save(part.file)
    cut_off(tmp_path / "maps", [first])
    with pytest.raises(InputError, match="maps of other parts"), Outputs(tmp_path / "maps", [second]):
        pass


@pytest.mark.parametrize("name", ["predictions.csv", "predictions.jsonl", "000.tiff"])
def test_nothing_is_written_among_other_things(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=f"holds other things, such as {name}"), Outputs(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_table_of_nothing_has_its_header():
    assert csv_of([]).startswith("name,label,error,defective,score,")
    cells = next(
        csv.reader(io.StringIO(csv_of([row_of('a, "b"\n.png', InputError("x"))])[csv_of([]).index("\n") + 1 :]))
    )
    assert cells[0] == 'a, "b"\n'


@pytest.mark.parametrize(
    "name, place",
    [
        ("test/cut/000", "test/cut/000"),
        ("/etc/passwd", "_/etc/passwd"),
        ("../../x", "_/_/x"),
        ("a/./b/..", "a/_/b/_"),
        ("..\\..\\x", "_/_/x"),
        ("C:\\x", "C_/x"),
        ("a\x00b\n", "a_b_"),
        ("", "_"),
        (".hidden", "_.hidden"),
        ("nul", "_nul"),
        ("COM1.png", "_COM1.png"),
        ("trailing. ", "trailing"),
        ("Grüße/模型", "Grüße/模型"),
        ("\udcff", "_"),
        ("x" * 300, "x" * 200),
        ("模" * 100, "模" * 66),
    ],
    ids=str,
)
def test_a_name_leads_to_a_place_below_the_folder(name, place, tmp_path):
    assert safe_place(name) == PurePosixPath(place)
    assert tmp_path in (tmp_path / safe_place(name)).resolve().parents


def test_names_that_lead_to_one_place_get_places_of_their_own(tmp_path):
    names = ["a:b", "a_b", "A_B", "predictions"]
    with Outputs(tmp_path) as outputs:
        places = [outputs.add(sample(name), inspection(name))["overlay"] for name in names]
    assert places == ["a_b.png", "a_b-2.png", "A_B-3.png", "predictions.png"]
    assert len(list(tmp_path.iterdir())) == 2 * len(names) + 2


def test_files_of_parts_are_never_written_over(tmp_path):
    Image.fromarray(np.zeros((*SIZE, 3), dtype=np.uint8)).save(tmp_path / "000.png")
    before = (tmp_path / "000.png").read_bytes()
    part = Found("000", file=tmp_path / "000.png")
    with pytest.raises(InputError, match=r"000\.png is a file of a part, and would be written over"):
        Outputs(tmp_path, [part]).add(part, inspection("000"))
    assert (tmp_path / "000.png").read_bytes() == before
    assert not (tmp_path / "000.tiff").exists()


@pytest.mark.parametrize("known", [True, False], ids=["said before", "not said"])
@pytest.mark.parametrize("kind", ["path", "sample"])
def test_the_cloud_beside_a_picture_is_never_written_over(tmp_path, known, kind):
    Image.fromarray(np.zeros((*SIZE, 3), dtype=np.uint8)).save(tmp_path / "000.bmp")
    xyz = np.random.default_rng(0).random((*SIZE, 3), dtype=np.float32)
    tifffile.imwrite(tmp_path / "000.tiff", xyz, photometric="rgb")
    before = (tmp_path / "000.tiff").read_bytes()
    files = {"rgb": tmp_path / "000.bmp", "xyz": tmp_path / "000.tiff"}
    part = str(files["rgb"]) if kind == "path" else read_sample(**files)
    with pytest.raises(InputError, match=r"000\.tiff is a file of a part, and would be written over"):
        Outputs(tmp_path, [part] if known else []).add(part, inspection("000"))
    assert (tmp_path / "000.tiff").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_is_written_that_would_be_taken_for_the_cloud_of_a_part(tmp_path):
    Image.fromarray(np.zeros((*SIZE, 3), dtype=np.uint8)).save(tmp_path / "000.bmp")
    part = str(tmp_path / "000.bmp")
    with pytest.raises(InputError, match=r"000\.tiff would be taken for a file of the part beside it"):
        Outputs(tmp_path, [part]).add(part, inspection("000"))
    assert Outputs(tmp_path / "maps", [part]).add(part, inspection("000"))["map"] == "000.tiff"
    assert Outputs(tmp_path, [part]).add(sample("001"), inspection("001"))["map"] == "001.tiff"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written: "):
        Outputs(tmp_path / "file" / "maps")


def test_parts_of_all_kinds_say_which_files_they_are_of(rings):
    part = split(rings, "test")[0]
    assert set(files_of(part)) == {part.rgb, part.xyz, part.truth}
    for given in (part.read(), str(part.rgb), part.xyz):
        assert set(files_of(given)) == {part.rgb, part.xyz, part.truth}
    assert files_of("a.png") == [Path("a.png")]
    assert files_of(rings) == [rings]
    assert files_of(sample()) == []


def test_without_what_writes_maps_it_says_how_to_install_it(monkeypatch, tmp_path):
    from latticework.core.errors import MissingExtraError

    def missing(name, *, extra, purpose):
        raise MissingExtraError(f"{purpose} needs {name}: pip install 'latticework[{extra}]'")

    monkeypatch.setattr(module, "require", missing)
    with pytest.raises(MissingExtraError, match="anomaly"):
        Outputs(tmp_path / "maps")
    assert not (tmp_path / "maps").exists()

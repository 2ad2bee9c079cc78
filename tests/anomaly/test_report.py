"""The page of an evaluation: its figures are those of the evaluation, and nothing of a name is taken for markup."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from anomaly.fakes import FakeM3DM, as_calibrated, split
from PIL import Image

from latticework.anomaly.findings.measures import Separation
from latticework.anomaly.findings.results import Evaluation, Figures
from latticework.anomaly.findings.verdicts import errors_of, judged
from latticework.anomaly.report.cards import SIDE, WIDTH, card, crop, explained, good_parts, resized
from latticework.anomaly.report.charts import POINTS, pro_picture, score_picture, thinned
from latticework.anomaly.report.evaluation_page import MOST_LISTED, page
from latticework.anomaly.report.heat import Scale
from latticework.anomaly.report.part_pages import part_page, title_of
from latticework.anomaly.report.wording import banks_told, p_told, region_told, regions_told, shares_told, where_told
from latticework.anomaly.scans.samples import Sample


@pytest.fixture(scope="module")
def noisy(rings):
    """A model that makes mistakes of both kinds."""

    class Noisy(FakeM3DM):
        noise = 1.2

    return as_calibrated(Noisy().fit(split(rings, "train")), 0.85)


@pytest.fixture(scope="module")
def evaluated(noisy, rings):
    """What it says of the test set, and of the parts it is wrong about."""
    parts = {part.name: part for part in split(rings, "test")}
    found = noisy.evaluate(list(parts.values()))
    shown = [(parts[name].read(), noisy.explain(parts[name])) for name in errors_of(found).worst(4)]
    return found, shown


def section(page, title):
    return next(section for section in page.sections if section.title == title)


def scored(scores, labels, threshold=None, image=None):
    """An evaluation of scores alone."""
    scores = np.array(scores, dtype=np.float64)
    return Evaluation(
        names=tuple(f"p{place}" for place in range(len(scores))),
        labels=tuple(labels),
        scores=scores,
        bank_scores={},
        defective=None if threshold is None else scores > threshold,
        figures=Figures(image, None, {}),
        interval=None,
        by_label={},
        banks={},
        roc=None,
        pro=None,
        threshold=None,
        failed={},
    )


# verdicts


def test_the_worst_errors_are_the_lowest_of_the_missed_and_the_highest_of_the_false_alarms():
    found = scored([5, 1, 9, 3, 8, 2], ["good", "dent", "dent", "cut", "good", "good"], threshold=4)
    errors = errors_of(found)
    assert errors.missed == ("p1", "p3")
    assert errors.alarms == ("p4", "p0")
    assert errors.worst(1) == ["p1", "p4"]


def test_without_a_threshold_the_one_with_the_best_f1_stands_in():
    best = Separation(0.9, 0.9, 0.9, threshold=3.0, fpr_at_95_tpr=0.1, good=3, defective=3)
    found = scored([5, 1, 9, 3, 8, 2], ["good", "dent", "dent", "cut", "good", "good"], image=best)
    assert judged(found).tolist() == [True, False, True, True, True, False]
    assert errors_of(found).missed == ("p1",)
    assert errors_of(scored([1, 2], ["good", "good"])).worst(4) == []


# the page


def test_the_page_has_the_figures_of_the_evaluation(evaluated, noisy):
    found, shown = evaluated
    told = page(found, shown, name="rings", notes=noisy.report_)
    result = section(told, "Result")
    facts = dict(result.facts)
    assert facts["defective parts found"] == f"{found.found:.0%}"
    assert facts["pixel AUROC"] == f"{found.figures.pixel.auroc:.3f}"
    low, high = found.interval
    label = next(label for label in facts if label.startswith("image AUROC of 12 parts"))
    assert label.endswith(f"interval {low:.3f} to {high:.3f}")
    assert facts[label] == f"{found.figures.image.auroc:.3f}"
    assert any(found.threshold.about() in paragraph for paragraph in result.paragraphs)
    assert any("fusion bank did not help" in paragraph for paragraph in result.paragraphs)
    assert "3 good parts and 9 defective ones" in told.intro


def test_kinds_of_defects_and_memory_banks_have_a_row_each(evaluated):
    found, _ = evaluated
    told = page(found)
    (kinds,), (banks,) = section(told, "Kinds of defects").tables, section(told, "Memory banks").tables
    assert [row[0] for row in kinds.rows] == list(found.by_label)
    assert {row[1] for row in kinds.rows} <= {"0 of 1", "1 of 1"}
    place = kinds.header.index("AUPRO 0.3")
    assert [row[place] for row in kinds.rows] == [f"{each.aupro[0.3]:.3f}" for each in found.by_label.values()]
    assert [row[0] for row in banks.rows] == ["all, fused", *found.banks]
    assert banks.rows[0][1] == f"{found.figures.image.auroc:.3f}"


def test_each_error_is_shown_with_what_the_banks_say_and_the_nearest_good_patch(evaluated, rings):
    found, shown = evaluated
    assert 2 <= len(shown) <= 8
    told = section(page(found, shown, good=good_parts(split(rings, "train"))), "Worst errors")
    assert len(told.pictures) == len(shown)
    assert [row[3] for row in told.tables[0].rows].count("missed") == len(errors_of(found).missed)
    for (_, inspection), picture in zip(shown, told.pictures, strict=True):
        assert picture.caption.startswith(f"{inspection.name}: ")
        assert ("a false alarm" in picture.caption) == ("/good/" in inspection.name)
        assert picture.svg.count("<image") == 3 + 2 * len(inspection.banks)
        assert inspection.banks[0].nearest.part in picture.svg
        assert all(bank.bank in picture.alt for bank in inspection.banks)


def test_pixels_have_a_section_of_their_own_where_it_is_known_where_defects_are(evaluated):
    found, _ = evaluated
    pixels = section(page(found), "Pixels")
    assert dict(pixels.facts)["AUPRO up to 0.3"] == f"{found.figures.aupro[0.3]:.3f}"
    assert [len(section(page(found), title).pictures) for title in ("Scores", "Pixels")] == [2, 1]
    assert "Pixels" not in [each.title for each in page(replace(found, pro=None)).sections]


def test_a_page_without_errors_says_so(model, rings):
    found = model.evaluate(split(rings, "test"))
    right = replace(found, defective=np.array([label != "good" for label in found.labels]))
    told = section(page(right), "Worst errors")
    assert (told.summary, list(told.pictures), list(told.tables)) == (
        "There are none: every part is judged rightly.",
        [],
        [],
    )


def test_parts_that_failed_are_listed_and_long_lists_are_cut(evaluated):
    found, _ = evaluated
    failed = {f"test/cut/{number}": "it is cut off" for number in range(MOST_LISTED + 3)}
    told = section(page(replace(found, failed=failed)), "Not inspected")
    assert told.summary == f"{MOST_LISTED + 3} parts could not be read."
    assert len(told.tables[0].rows) == MOST_LISTED
    assert f"the first {MOST_LISTED} of {MOST_LISTED + 3}" in told.tables[0].caption


def test_a_test_set_of_good_parts_alone_without_a_threshold_has_a_page():
    found = scored([1.0, 2.0], ["good", "good"])
    told = page(found)
    assert [section.title for section in told.sections] == ["Result", "Scores"]
    assert told.sections[0].summary.startswith("No good part certifies a threshold, ")
    assert "<h1>" in told.html()
    assert page(scored([], [])).html()


def test_no_name_becomes_markup(evaluated, model, rings):
    found, _ = evaluated
    bad = "<script>alert('&')</script>"
    part = split(rings, "test")[0].read()
    inspection = replace(model.explain(part), name=bad)
    banks = tuple(replace(bank, nearest=replace(bank.nearest, part=bad)) for bank in inspection.banks)
    inspection, sample = replace(inspection, banks=banks), replace(part, name=bad)
    names, labels = (bad, *found.names[1:]), (bad, *found.labels[1:])
    defective = found.defective.copy()
    defective[0] = False
    hostile = replace(
        found, names=names, labels=labels, defective=defective, failed={bad: bad}, by_label={bad: found.figures}
    )
    text = page(hostile, [(sample, inspection)], name=bad, notes=[bad]).html()
    assert "<script" not in text
    assert text.count("&lt;script&gt;") > 8
    assert "<script" not in part_page(sample, inspection).html()


def test_the_page_needs_nothing_from_elsewhere(evaluated, rings):
    found, shown = evaluated
    text = page(found, shown, good=good_parts(split(rings, "train"))).html()
    assert page(found, shown, good=good_parts(split(rings, "train"))).html() == text, "the same bytes each time"
    sources = re.findall(r'(?:href|src)="([^"#][^"]{0,24})', text)
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert "://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)


def test_a_part_has_a_page_of_its_own(model, rings):
    part = next(part for part in split(rings, "test") if part.label == "dent").read()
    found = model.explain(part)
    told = part_page(part, found)
    (only,) = told.sections
    assert only.summary.startswith("Defective. ")
    assert (told.title, only.title) == (part.name, "What is found")
    assert f"labelled dent, read from {part.path}: " in told.intro
    assert "threshold of the score" not in dict(only.facts)
    assert only.paragraphs[0].endswith("% of good parts score as high.")
    assert "Good." in part_page(part, replace(found, defective=False)).sections[0].summary
    unknown = replace(found, defective=None, p_value=float("nan"), regions=(), doubt="no ground was found")
    (only,) = part_page(part, unknown).sections
    assert "no threshold" in only.summary
    assert only.paragraphs == ["No ground was found."]


def test_a_title_says_which_of_the_parts_of_one_name_it_is(rings, model):
    part = next(part for part in split(rings, "test") if part.label == "dent").read()
    lone = replace(part, name="000", label=None)
    told = part_page(lone, model.explain(lone))
    assert told.title == "ring/test/dent/rgb/000"[-len(told.title) :]
    assert told.title.endswith("test/dent/rgb/000")
    assert title_of(replace(lone, path=None)) == "000"


def test_the_page_of_a_part_has_the_thresholds(model, rings):
    part = next(part for part in split(rings, "test") if part.label == "dent").read()
    limit = model.threshold_
    (only,) = part_page(part, model.explain(part), threshold=limit, map_threshold=limit).sections
    assert dict(only.facts)["threshold of the score"] == limit.value
    assert any(limit.about() in paragraph for paragraph in only.paragraphs)
    assert "a place above 0.4, the threshold of maps, is marked" in only.pictures[0].caption
    assert ">threshold 0.4<" in only.pictures[0].svg


def test_the_table_of_regions_says_what_the_sentence_says(model, rings):
    part = next(part for part in split(rings, "test") if part.label == "dent").read()
    found = model.explain(part)
    high = replace(found.regions[0], depth_mm=0.5)
    bare = replace(found.regions[0], depth_mm=None, area_mm2=None)
    (only,) = part_page(part, replace(found, regions=(found.regions[0], high, bare))).sections
    first, second, third = (dict(zip(only.tables[0].header, row, strict=True)) for row in only.tables[0].rows)
    words = region_told(found.regions[0])
    assert f"at row {first['row']}, column {first['column']}, {first['mm²']:g} mm² large and " in words
    assert first["depth"].replace("\N{NO-BREAK SPACE}", " ") == "0.62 mm deep"
    assert second["depth"].replace("\N{NO-BREAK SPACE}", " ") == "0.5 mm high"
    assert (third["mm²"], third["depth"]) == (None, None)
    assert only.tables[0].header[:3] == ["region", "mm²", "depth"], "what one looks for comes first"


def test_lines_and_colours_are_explained_as_far_as_they_are_there(model, rings):
    parts = {part.label: part.read() for part in split(rings, "test")}
    dent, good = ((parts[label], model.explain(parts[label])) for label in ("dent", "good"))
    scale = Scale.of([dent[1], good[1]])
    assert "red one around where the defect truly is" in explained([dent, good], scale=scale)
    assert "red one" not in explained([good], scale=scale)
    assert "--good DIR" in explained([dent], scale=scale)
    known = explained([dent], scale=scale, good=good_parts(split(rings, "train")))
    assert "--good" not in known
    assert "patch of a good part" in known


# pictures


def test_a_card_shows_the_part_with_what_lies_around_it_and_not_the_rest(model, rings):
    part = split(rings, "test")[0].read()
    found = model.explain(part)
    foreground = np.zeros(part.size, dtype=bool)
    foreground[10:20, 10:40] = True
    picture = card(part, replace(found, foreground=foreground, regions=()), caption="")
    data = re.search(r'height="([\d.]+)" preserveAspectRatio="none" href="data:image/jpeg;base64,([^"]+)"', picture.svg)
    image = Image.open(io.BytesIO(base64.b64decode(data[2])))
    assert image.size == (round(2 * SIDE), round(2 * float(data[1])))
    assert float(data[1]) == pytest.approx(SIDE * 16 / 36, abs=0.1)
    assert f'viewBox="0 0 {WIDTH:g} ' in picture.svg


def test_a_bank_that_could_not_judge_and_a_good_part_that_is_gone_leave_a_gap(model, rings):
    part = split(rings, "test")[0].read()
    found = model.explain(part)
    banks = (replace(found.banks[0], nearest=None, contribution=float("nan")), *found.banks[1:])
    picture = card(part, replace(found, banks=banks), caption="")
    assert "it could not judge the part" in picture.svg
    assert picture.svg.count("<image") == 3 + len(banks) - 1
    assert banks[1].nearest.part not in picture.svg
    nowhere = card(part, replace(found, foreground=np.zeros(part.size, dtype=bool), regions=(), banks=()), caption="")
    assert nowhere.svg.count("<image") == 3


def test_good_parts_are_read_by_name_and_those_that_are_gone_are_none(rings, tmp_path):
    parts = split(rings, "train")
    good = good_parts([*parts, replace(parts[0], name="gone", rgb=tmp_path / "gone.png")])
    assert good(parts[1].name).name == parts[1].name
    assert good("gone") is None
    assert good("never") is None


def test_crops_stay_within_the_picture():
    picture = np.arange(50 * 140, dtype=np.int64).reshape(50, 140, 1).repeat(3, axis=2).astype(np.uint8)
    assert crop(picture, 0, 139).shape == (10, 10, 3)
    np.testing.assert_array_equal(crop(picture, 25, 70), picture[20:30, 65:75])
    assert crop(picture[:4], 2, 2).shape == (4, 4, 3)


def test_areas_stay_areas_when_they_are_resized():
    mask = np.zeros((10, 10), dtype=bool)
    mask[:, 5:] = True
    assert resized(mask, 10, 10).dtype == bool
    assert resized(mask, 10, 10).mean() == 0.5


def test_histograms_hold_every_part_and_scores_that_spread_far_are_on_a_logarithmic_axis():
    near = score_picture({"good": np.array([1.0, 2.0]), "defective": np.array([3.0])}, 2.5)
    assert "logarithmic" not in near.svg
    assert "2 parts from 1 to 2, 0 above the threshold" in near.alt
    far = score_picture({"good": np.array([1.0, 2.0]), "defective": np.array([3000.0])}, 2.5)
    assert "logarithmic" in far.svg
    one = score_picture({"good": np.array([1.0]), "defective": np.array([])}, None)
    assert one.alt == "Histograms of scores. good: 1 part from 1 to 1."


def test_curves_of_many_points_look_like_all_of_them():
    x = np.linspace(0, 1, 100_000)
    few_x, few_y = thinned(x, np.sqrt(x))
    assert len(few_x) <= POINTS
    assert np.abs(np.interp(x, few_x, few_y) - np.sqrt(x)).max() < 0.02
    rate = np.array([0.0, 0.2, 0.4, 1.0])
    told = pro_picture((rate, rate), 0.15)
    assert "highest 0.3" in told.alt, "up to the limit, wherever points are"
    assert "AUPRO" not in pro_picture((rate, rate), None).caption


# words


def test_words_for_regions_and_banks(model, rings):
    part = next(part for part in split(rings, "test") if part.label == "dent").read()
    found = model.explain(part)
    region = found.regions[0]
    assert regions_told(replace(found, regions=(), defective=False)) == "No region is marked."
    two = regions_told(replace(found, regions=(region, region)))
    assert two.startswith("2 regions are marked; the worst at row ")
    flat = region_told(replace(region, area_mm2=None, depth_mm=None, pixels=1234))
    assert flat.endswith("1,234 pixels large, by geometry")
    large = region_told(replace(region, area_mm2=2134.2, depth_mm=20_400.0))
    assert "2,130 mm² large and 20,000 mm high" in large
    assert "0.62 mm deep" in region_told(region)
    assert "0.5 mm high" in region_told(replace(region, depth_mm=0.5))
    assert banks_told(replace(found, banks=())) == ""


def test_what_banks_make_of_a_score_adds_up(model, rings):
    found = model.explain(split(rings, "test")[0])
    shares = (0.3694, 0.605, 63.55, 0.3475)
    banks = tuple(replace(bank, contribution=each) for bank, each in zip(found.banks, shares, strict=True))
    told = banks_told(replace(found, banks=banks, score=sum(shares)))
    assert told == "Of the score, 64.87, the banks have: colour 0.37, texture 0.60, geometry 63.55, form 0.35."
    many = tuple(replace(bank, contribution=30_000 * each) for bank, each in zip(found.banks, shares, strict=True))
    assert shares_told(replace(found, banks=many, score=30_000 * sum(shares)))[1] == "1,946,000"
    silent = (replace(banks[0], contribution=float("nan")), replace(banks[1], contribution=-0.0), *banks[2:])
    assert shares_told(replace(found, banks=silent, score=63.9)) == (["nan", "0.00", "63.55", "0.35"], "63.90")


def test_a_defective_part_without_a_region_has_a_worst_patch(model, rings):
    found = replace(model.explain(split(rings, "test")[0]), regions=(), defective=True)
    first, second, *_ = found.banks
    banks = (replace(first, contribution=9.0, nearest=None), replace(second, contribution=8.0, row=3, column=4))
    bare = replace(found, banks=(*banks, *found.banks[2:]))
    assert where_told(bare) == "no region stands out; worst at row 3, column 4, by texture"
    assert regions_told(bare) == "No region stands out; worst at row 3, column 4, by texture."
    assert where_told(replace(bare, defective=False)) == where_told(replace(bare, banks=())) == ""


def test_the_share_of_good_parts_that_score_as_high_is_a_bound_for_defective_parts(model, rings):
    found = replace(model.explain(split(rings, "test")[0]), p_value=0.05, defective=True)
    assert p_told(found) == "at most 5 % of good parts score as high"
    assert p_told(replace(found, p_value=1.0, defective=False)) == "about 100 % of good parts score as high"
    assert p_told(replace(found, p_value=float("nan"), defective=None)) == ""


def test_colours_are_not_needed():
    rows, columns = np.mgrid[:40, :40].astype(np.float32) / 1000
    sample = Sample.of(xyz=np.stack([columns, rows, np.full_like(rows, 0.5)], axis=-1), name="a")
    model = FakeM3DM()
    model.parts_, model.banks_, model.threshold_ = ["good"], model.banks, None
    assert "lit from the upper left" in card(sample, model.explain(sample), caption="").svg

"""The page: it says what was found, what that leans on, and every warning; and takes no name for markup."""

import copy
import re
from dataclasses import replace

import numpy as np
import pytest
from mediation.conftest import NASTY, SHORT, fitted

from latticework.core.errors import InputError
from latticework.mediation.effects import NDE, NIE, TE
from latticework.mediation.estimator import BIMA
from latticework.mediation.report import findings, page
from latticework.mediation.report.charts import Interval, density, interval_chart, ranks, rounded, split_chart, traces
from latticework.mediation.report.mapping import map_section
from latticework.mediation.report.methods import assumptions
from latticework.mediation.study import study_of


def titles(built):
    return [section.title for section in built.sections]


def section(built, title):
    return next(one for one in built.sections if one.title == title)


@pytest.fixture(scope="module")
def flat_page(basmu, flat_study):
    return page(basmu, truth=flat_study, name="the slice")


@pytest.fixture(scope="module")
def flat_html(flat_page):
    return flat_page.html()


@pytest.fixture(scope="module")
def volume_page(volume):
    return page(volume, name=f"a study {NASTY}")


@pytest.fixture(scope="module")
def volume_html(volume_page):
    return volume_page.html()


def test_the_answer_comes_first_with_units_in_words_and_intervals(flat_page, basmu):
    first = flat_page.sections[0]
    assert first.title == "What was found"
    assert [label.partition(";")[0] for label, _ in first.facts] == ["NIE", "NDE", "TE", "proportion mediated"]
    (table,) = first.tables
    assert "outcome per unit of exposure" in table.caption
    rows = {row[0]: row for row in table.rows}
    assert "without unobserved confounder" in table.header
    estimate = findings.estimates(basmu)[NIE]
    assert rows[NIE][1:3] == [estimate.value, estimate.ends]
    assert "moved from NIE to NDE" in rows


def test_it_never_says_that_confounding_was_removed(flat_html, volume_html):
    for html in (flat_html, volume_html):
        assert "does not remove confounding" in html
        assert not re.search(r"(removed|removes|eliminat\w+|corrected for) (the )?(unobserved )?confound", html)
        assert "identify the total effect, provided that" in html


def test_every_warning_is_on_the_page(flat_page, basmu):
    told = basmu.diagnose().warnings
    assert told
    (passages,) = section(flat_page, "What asks for care").passages
    assert [item.text.casefold().rstrip(".") for item in passages.items] == [one.casefold() for one in told]
    assert "warning" in flat_page.sections[0].summary or "not converged" in flat_page.sections[0].summary


def test_without_warnings_it_says_that_assumptions_remain(basmu, monkeypatch):
    diagnosis = replace(basmu.diagnose(), warnings=(), rhat=dict.fromkeys((NIE, NDE, TE), 1.0))
    model = copy.copy(basmu)
    monkeypatch.setattr(type(model), "diagnose", lambda _: diagnosis)
    care = section(page(model), "What asks for care")
    assert not care.passages
    assert "no computation tells" in care.summary


def test_chains_that_disagree_come_before_any_figure(basmu):
    told = replace(basmu.diagnose(), rhat={NIE: 1.4, NDE: 1.01, TE: 1.0})
    assert findings.answer(basmu, told).startswith("The chains have not converged: no figure")
    unknown = replace(told, rhat=dict.fromkeys((NIE, NDE, TE), float("nan")))
    assert findings.unreliable(unknown)
    assert not findings.unreliable(replace(unknown, constant=(NIE, NDE, TE)))


@pytest.mark.parametrize(
    "share, words_of_it",
    [
        (1.0, "next to nothing about the split"),
        (0.6, "rests more on the prior than on the data"),
        (0.2, "rests more on the data than on the prior"),
        (0.004, "less than 1%"),
    ],
)
def test_the_share_of_the_prior_is_said_in_words(basmu, share, words_of_it):
    told = replace(basmu.diagnose(), prior_share=share, components=5, subjects=50)
    assert words_of_it in findings.leaning(told)


def test_as_many_components_as_subjects_leave_the_split_to_priors(basmu):
    told = replace(basmu.diagnose(), prior_share=0.0, components=60, subjects=50)
    assert "priors alone decide the split" in findings.leaning(told)


def test_names_are_never_markup(volume_html):
    assert "<script" not in volume_html
    for text in ("dose", "score", "age", "left", "a study"):
        assert f"{text} &lt;script&gt;" in volume_html


def test_a_volume_is_drawn_in_cuts_and_seen_through_without_any_network(volume_page, volume_html):
    maps = section(volume_page, "Maps")
    assert len(maps.pictures) >= 7
    assert all("data:image/png;base64," in picture.svg for picture in maps.pictures)
    assert any("MNI" in picture.caption for picture in maps.pictures)
    assert not re.search(r"(src|href)=\"(?!data:|#)", volume_html)
    assert all(picture.alt.startswith("Map of 4 by 5 by 3 voxels") for picture in maps.pictures)


def test_regions_have_a_forest_and_a_table(volume_page, volume):
    regions = section(volume_page, "Regions")
    assert len(regions.tables[0].rows) == 2
    assert "of 2 regions" in regions.summary
    table = volume.effects_table_
    apart = int(((table.lower > 0) | (table.upper < 0))[table.region != ""].sum())
    assert f"leaves out 0 in {apart} of" in regions.summary


def test_one_region_has_no_forest(flat_page):
    assert "Regions" not in titles(flat_page)


def test_a_forest_shows_forty_regions_and_says_so():
    rng = np.random.default_rng(0)
    labels = np.arange(50)
    study = study_of(
        rng.normal(size=90), rng.normal(size=(90, 50)), rng.normal(size=90),
        coordinates=np.column_stack([labels, labels]), regions=[f"r{label}" for label in labels],
    )  # fmt: skip
    built = page(fitted(BIMA(n_chains=1, n_warmup=20, n_draws=20, n_jobs=1, random_state=0), study))
    regions = section(built, "Regions")
    assert len(regions.tables[0].rows) == 40
    assert "the 40 of 50 whose median is largest" in regions.pictures[0].caption


def test_the_truth_stands_beside(flat_page, flat_study):
    (table,) = flat_page.sections[0].tables
    assert table.header[-1] == "truth"
    assert float(table.rows[1][-1]) == flat_study.nde
    maps = section(flat_page, "Maps")
    assert "truth:" in maps.pictures[0].alt


def test_a_truth_of_other_voxels_is_refused(basmu, volume_study):
    with pytest.raises(InputError, match="the truth has 60 voxels, and the model 64"):
        page(basmu, truth=volume_study)


def test_a_threshold_has_its_map_and_its_thresholds(thresholded):
    built = page(thresholded)
    assert any("is not 0" in picture.caption for picture in section(built, "Maps").pictures)
    done = {row[0]: row[1] for row in section(built, "What was done").tables[0].rows}
    assert done["thresholds of alpha and beta"] == "0.05, 0.05"
    assert done["method"] == "BIMA, with a threshold"
    assert "BASMU allows for one" in " ".join(built.sections[0].paragraphs)


def test_without_a_grid_there_are_figures_but_no_maps(basmu):
    model = copy.copy(basmu)
    model.space_ = None
    drawn = map_section(model, None)
    assert drawn.pictures  # coordinates of the simulated study are on a grid of their own
    model.coordinates_ = np.sqrt(np.arange(1.0, 129.0)).reshape(64, 2)
    told = map_section(model, None)
    assert not told.pictures
    assert "mask=" in told.paragraphs[0]


def test_priors_that_were_tried_are_charted(basmu):
    table = basmu.sensitivity([0.5], n_warmup=20, n_draws=20)
    built = page(basmu, sensitivity=table)
    under = section(built, "Under other priors")
    assert len(under.tables[0].rows) == len(table) == 4
    assert [picture.alt.partition(",")[0] for picture in under.pictures] == ["NIE by prior", "NDE by prior"]
    assert "Under other priors" not in titles(page(basmu))


def test_assumptions_and_deeds_are_in_plain_words(flat_html, basmu):
    for text in (
        "No interference", "No confounder of the exposure is missing", "smooth individual effects",
        "No confounder of image and outcome comes from the exposure", "No interaction of exposure and image",
        "Across worlds", "but for chance in this sample", "understate what is not known",
    ):  # fmt: skip
        assert text in flat_html
    model = copy.copy(basmu)
    assert any("taken for known" in str(row[1]) for row in assumptions(model))
    model.method_ = replace(model.method_, propagate=True)
    assert not any("taken for known" in str(row[1]) for row in assumptions(model))


def test_the_same_model_gives_the_same_page(basmu, flat_study, flat_html):
    assert page(basmu, truth=flat_study, name="the slice").html() == flat_html


def test_every_picture_has_words(flat_page, volume_page):
    for built in (flat_page, volume_page):
        for one in built.sections:
            assert all(picture.alt and picture.caption for picture in one.pictures)


# Charts.


def test_intervals_that_are_not_known_have_a_name_alone():
    picture = interval_chart([Interval("NIE", np.nan, np.nan, np.nan)], unit="u", caption="None.")
    assert picture.alt.endswith("NIE: not known.")
    assert "nan" not in picture.svg


@pytest.mark.parametrize(
    "value, width, text",
    [(72.27, 7.7, "72.3"), (-0.01, 3.9, "0.0"), (1e-9, 4e-9, "1e-09"), (3.0, np.nan, "3"), (0.0499, 0.01, "0.0499")],
)
def test_figures_have_as_many_digits_as_are_known(value, width, text):
    assert rounded(value, width) == text


def test_chains_that_are_stuck_or_alone_are_drawn():
    stuck = np.ones((1, 12))
    assert traces(stuck, "NIE", "u").alt
    assert ranks(stuck, "NIE").alt
    x, y = density(stuck.ravel())
    assert np.isfinite(x).all()
    assert y.max() == 1
    assert split_chart(stuck.ravel(), prior_sd=1.0, flat=(0.0, 1.0), flat_name="flat", unit="u", caption="c").svg
    many = np.random.default_rng(0).normal(size=(8, 2000))
    picture = traces(many, "NIE", "u")
    assert "every 9th draw, the first 6 of 8 chains" in picture.caption


def test_ranks_of_chains_that_agree_are_even():
    draws = np.random.default_rng(0).permutation(4000).reshape(4, 1000).astype(float)
    picture = ranks(draws, "NIE")
    lowest = [float(value) for value in re.findall(r"lowest ([\d.]+)", picture.alt)]
    assert len(lowest) == 4
    assert min(lowest) > 0.5


def test_short_chains_make_a_page(flat_study):
    model = fitted(BIMA(**(SHORT | {"n_draws": 4, "n_warmup": 1})), flat_study)
    assert "not converged" in page(model).html()

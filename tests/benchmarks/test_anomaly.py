"""The benchmark of defects runs, on few small parts, and its rows have the promised targets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import anomaly, anomaly_real, records
from benchmarks.anomaly import DEFAULT, VARIANTS

SIZES = {"good": 5, "validation": 3, "test_good": 3, "per_defect": 1, "size": 64}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detectors of small pictures, two variants, and no real data."""
    from latticework.anomaly import config

    kept = (DEFAULT, "no bank for form")
    monkeypatch.setattr(anomaly, "VARIANTS", {name: VARIANTS[name] for name in kept})
    monkeypatch.delenv("LATTICEWORK_DATA", raising=False)
    made = config.M3DMConfig.__init__

    def init(self: Any, **given: Any) -> None:
        made(self, **{"size": 64, **given})

    monkeypatch.setattr(config.M3DMConfig, "__init__", init)


@pytest.mark.usefixtures("small")
def test_every_contrast_has_its_rows_and_the_medium_one_its_targets_and_variants() -> None:
    result = anomaly.measure((3,), ("easy", "medium"), ("ring",), **SIZES)
    assert result.command == ("python -m benchmarks.anomaly --seeds 3 --contrasts easy medium --families ring --jobs 1")
    assert "means" in result.title
    assert result.machine["cores_used"] == 1
    rows = {row.name: row for row in result.rows}
    assert rows["medium: image AUROC"].target == rows["medium: AUPRO, up to 0.3"].target == ">= 0.95"
    assert rows["easy: image AUROC"].target is None
    assert rows["ring: image AUROC"].value == rows["medium: image AUROC"].value
    assert {
        "stain: image AUROC of the bank for colour alone",
        "dent: image AUROC of the bank for geometry alone",
    } <= rows.keys()
    assert "no bank for form: AUPRO, over the default" in rows
    assert 0 <= rows["medium: good parts that are taken for defective, certified 0.25"].value <= 1


@pytest.fixture
def at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data with a file, or a folder, for all that is real."""
    for name in (anomaly_real.TYRES, *anomaly_real.SCANS):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("LATTICEWORK_DATA", str(tmp_path))
    return tmp_path


def test_what_was_not_asked_for_or_is_not_at_hand_is_lacking(at_hand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert anomaly.lacking(anomaly.SEEDS, anomaly.CONTRASTS) == []
    assert (
        anomaly.lacking((5, 6, 7), anomaly.CONTRASTS, ("dowel", "foam", "ring", "rope", "tube", "superellipsoid")) == []
    )
    (at_hand / anomaly_real.SCANS[1]).rmdir()
    assert anomaly.lacking((11,), ("easy", "medium"), ("ring", "rope", "foam", "dowel", "tube")) == [
        "hard parts",
        "the family superellipsoid",
        "2 seeds that nothing was tuned on",
        "anomaly/mosd/test0.pcd",
    ]
    assert anomaly.lacking((1, 3), anomaly.CONTRASTS)[0] == "2 seeds that nothing was tuned on"
    monkeypatch.delenv("LATTICEWORK_DATA")
    assert len(anomaly.lacking(anomaly.SEEDS, anomaly.CONTRASTS)) == 3


@pytest.mark.usefixtures("at_hand")
@pytest.mark.parametrize("words, lacks", [([], []), (["--contrasts", "easy", "hard"], ["medium parts"])])
def test_a_run_says_beforehand_what_it_lacks(
    words: list[str], lacks: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(anomaly, "measure", lambda *asked: asked)
    monkeypatch.setattr(records, "record", lambda result, *, lacks: kept.append((result, lacks)))
    monkeypatch.setattr(sys, "argv", ["anomaly", *words])
    anomaly.main()
    contrasts = words[1:] or list(anomaly.CONTRASTS)
    assert kept == [((list(anomaly.SEEDS), contrasts, None, 2), lacks)]
    assert all(each in capsys.readouterr().err for each in lacks)


@pytest.mark.usefixtures("small")
def test_overlays_show_a_row_of_each_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from latticework.anomaly import synth

    drawn = synth.generate

    def few(folder: Path, **given: Any) -> Any:
        return drawn(folder, **{**given, **SIZES, "test_good": 1})

    monkeypatch.setattr(synth, "generate", few)
    monkeypatch.setattr(synth, "FAMILIES", {"ring": None})
    anomaly.draw_overlays(tmp_path / "found.png", 3)
    shown = np.asarray(Image.open(tmp_path / "found.png"))
    assert shown.shape == (64, 2 * 64 * len(anomaly.SHOWN), 3)


@pytest.mark.realdata("anomaly/mosd", "anomaly/mvtec3d_tire_rgb_half")
def test_real_scans_and_tyres_have_rows(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATTICEWORK_DATA", str(data_folder))
    assert [row.met for row in anomaly_real.scans()] == [True, True]
    assert anomaly.lacking(anomaly.SEEDS, anomaly.CONTRASTS) == []

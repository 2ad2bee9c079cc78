"""A stand-in for the detector, which knows the answers: what tests of the ways in need of a model, and no more."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import ndimage

from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.findings.calibration import p_values, threshold
from latticework.anomaly.findings.intervals import auroc_interval
from latticework.anomaly.findings.measures import separation
from latticework.anomaly.findings.pixels import LIMITS, Pixels
from latticework.anomaly.findings.results import BankScore, Evaluation, Figures, Inspection, Nearest, Region
from latticework.anomaly.part_warnings import warn
from latticework.anomaly.preparation.parts import find_part
from latticework.anomaly.scans.found import Found
from latticework.anomaly.scans.inputs import read, unit_of
from latticework.anomaly.synth import generate
from latticework.core.errors import InputError

BANKS = ("colour", "texture", "geometry", "form")
SMALL = {"good": 3, "validation": 2, "test_good": 3, "per_defect": 1, "size": 48}


class FakeM3DM:
    """Its map is the truth, blurred, with noise; so some defects, the small ones, are lost in it."""

    noise = 0.3
    unit_ = "m"

    def __init__(
        self,
        banks=BANKS,
        fusion="quantile",
        features="handcrafted",
        coreset=0.1,
        config=None,
        random_state=None,
        device="auto",
    ):
        self.banks, self.fusion, self.features, self.coreset = tuple(banks), fusion, features, coreset
        self.config, self.random_state, self.device = config or M3DMConfig(), random_state, device

    def fit(self, parts, y=None, *, validation=None):
        self.parts_, self.unit_ = [part.name for part in parts], unit_of(parts)
        self.banks_, self.report_ = self.banks, ["the fusion bank did not help on pseudo-defects: it is left out"]
        self.threshold_ = None
        if validation is not None:
            scores = [self.explain(part).score for part in validation]
            self.threshold_ = threshold(scores, rate=self.config.false_alarm_rate)
        return self

    @property
    def map_threshold_(self):
        return self.threshold_

    def save(self, folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in vars(self).items() if name not in ("config", "threshold_")}
        kept["config"] = vars(self.config)
        kept["threshold_"] = None if self.threshold_ is None else vars(self.threshold_)
        (Path(folder) / "config.json").write_text(json.dumps(kept, default=str))

    @classmethod
    def load(cls, folder, *, device="auto"):
        from latticework.anomaly.findings.calibration import Threshold

        if not (Path(folder) / "config.json").is_file():
            raise InputError(f"{folder} is no saved model")
        kept = json.loads((Path(folder) / "config.json").read_text())
        model = cls()
        vars(model).update(kept, device=device)
        model.config = M3DMConfig(**kept["config"])
        model.threshold_ = None if kept["threshold_"] is None else Threshold(**kept["threshold_"])
        return model

    def explain(self, part):
        sample = read(part, unit=self.unit_)
        truth = np.zeros(sample.size) if sample.truth is None else (sample.truth > 0).astype(float)
        noise = np.random.default_rng(sum(map(ord, sample.name))).normal(0, 1, sample.size)
        scores = ndimage.gaussian_filter(truth, 2) + self.noise * ndimage.gaussian_filter(noise, 2)
        foreground = find_part(sample).mask
        scores = np.where(foreground, scores, 0).astype(np.float32)
        score = float(scores.max())
        row, column = (int(place) for place in np.unravel_index(scores.argmax(), scores.shape))
        limit = 0.35 if self.threshold_ is None else self.threshold_.value
        nearest = Nearest(self.parts_[len(sample.name) % len(self.parts_)], row, column, score)
        return Inspection(
            sample.name,
            score,
            float("nan") if self.threshold_ is None else float(p_values([0.1, 0.2, limit], np.array(score))),
            None if self.threshold_ is None else score > limit,
            tuple(
                BankScore(bank, score / (place + 1), score / (place + 2) ** 2, row, column, nearest)
                for place, bank in enumerate(self.banks_)
            ),
            regions(scores, limit, sample.xyz is not None),
            scores,
            foreground,
            ndimage.label(scores >= limit, np.ones((3, 3)))[0].astype(np.int64),
        )

    def evaluate(self, parts, *, each=None):
        samples, found, failed = [], [], {}
        for part in parts:
            try:
                sample = read(part)
                told = self.explain(sample)
            except InputError as error:
                told, failed[part.name] = error, str(error)
            else:
                samples.append(sample)
                found.append(told)
            if each is not None:
                each(part, told)
        return evaluation(found, samples, failed, self.threshold_)


def regions(scores, limit, deep):
    numbers, _ = ndimage.label(scores >= limit, np.ones((3, 3)))
    found = []
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        inside = numbers == number
        size, (rows, columns) = int(inside.sum()), box
        found.append(
            Region(
                rows.start,
                columns.start,
                rows.stop,
                columns.stop,
                size,
                float(scores[inside].max()),
                "geometry",
                0.8 * size if deep else None,
                -0.62 if deep else None,
            )
        )
    return tuple(sorted(found, key=lambda region: -region.peak))


def evaluation(found, samples, failed, limit):
    """What the detector says of parts, with the real measures."""
    scores = np.array([each.score for each in found], dtype=np.float64)
    labels = [sample.label or "good" for sample in samples]
    bad = np.array([label != "good" for label in labels])
    both = bool(bad.any() and not bad.all())
    banks = {bank: np.array([each.banks[place].score for each in found]) for place, bank in enumerate(BANKS)}

    def figures(values, which):
        if not (both and which.any()):
            return Figures(None, None, {})
        kept = np.flatnonzero(which | ~bad)
        pixels = Pixels.of([found[n].map for n in kept], [samples[n].truth for n in kept])
        image = separation(values[~bad], values[which])
        return Figures(image, pixels.separation(), pixels.aupro(LIMITS))

    levels = np.sort(scores)[::-1]
    rates = tuple(np.array([0.0, *((scores[kind] >= level).mean() for level in levels)]) for kind in (~bad, bad))
    return Evaluation(
        names=tuple(each.name for each in found),
        labels=tuple(labels),
        scores=scores,
        bank_scores=banks,
        defective=None if limit is None else scores > limit.value,
        figures=figures(scores, bad),
        interval=auroc_interval(scores, bad) if both else None,
        by_label={
            label: figures(scores, np.array([each == label for each in labels]))
            for label in sorted(set(labels) - {"good"})
        }
        if both
        else {},
        banks={bank: figures(values, bad) for bank, values in banks.items()} if both else {},
        roc=rates if both else None,
        pro=(np.linspace(0, 1, 500), np.linspace(0, 1, 500) ** 0.2) if both else None,
        threshold=limit,
        failed=failed,
    )


def split(folder, name) -> list[Found]:
    from latticework.anomaly.scans.folders import read_folder

    return read_folder(folder, split=name)


@pytest.fixture(scope="session")
def rings(tmp_path_factory) -> Path:
    """A folder of synthetic rings."""
    folder = tmp_path_factory.mktemp("parts") / "ring"
    generate(folder, seed=3, family="ring", **SMALL)
    return folder


@pytest.fixture(scope="session")
def model(rings) -> FakeM3DM:
    """A model of the rings, with a threshold."""
    fitted = FakeM3DM().fit(split(rings, "train"), split(rings, "validation"))
    return as_calibrated(fitted, 0.4)


def as_calibrated(model, value, parts=19):
    """The model with that threshold, as of so many held-out parts."""
    model.threshold_ = replace(threshold(np.linspace(0.1, value, parts), rate=0.05), value=value)
    return model


@pytest.fixture(scope="session")
def saved(model, tmp_path_factory) -> Path:
    """The model, saved."""
    folder = tmp_path_factory.mktemp("models") / "rings"
    model.save(folder)
    return folder


@pytest.fixture
def anomaly(latticework, monkeypatch):
    """Run `latticework anomaly`, with the stand-in for the detector."""
    detector = ModuleType("latticework.anomaly.detector")
    detector.M3DM = FakeM3DM
    monkeypatch.setitem(sys.modules, "latticework.anomaly.detector", detector)
    return partial(latticework, "anomaly")


@dataclass
class Counting:
    """Gives the number of each part as its score, and refuses those that are multiples of seven."""

    folder: Path | None = None  # where a file tells of each time it was unpacked
    asked: list[int] = field(default_factory=list)

    def explain(self, part):
        number = int(part)
        self.asked.append(number)
        if number % 7 == 0:
            raise InputError(f"{part} is cut off")
        return Inspection(
            part,
            float(number),
            0.5,
            None,
            (),
            (),
            np.zeros((4, 5), dtype=np.float32),
            np.ones((4, 5), dtype=bool),
            np.zeros((4, 5), dtype=np.int64),
        )

    def __setstate__(self, state):
        self.__dict__.update(state)
        if self.folder is not None:
            (self.folder / f"{os.getpid()}-{os.urandom(8).hex()}").touch()


class Doubting(Counting):
    """Warns of every part; here, where the processes of joblib find it."""

    def explain(self, part):
        warn(part, "it is odd")
        return super().explain(part)

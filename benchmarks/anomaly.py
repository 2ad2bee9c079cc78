"""Quality of `latticework.anomaly`: synthetic parts of six families at three contrasts, real tyres, real scans.

`python -m benchmarks.anomaly` draws data sets of the frozen generator with seeds that nothing was tuned on (1 was),
fits the detector with its defaults on the good parts of each, and evaluates it once on the test parts; then, at medium
contrast, once more with one thing changed. Tyres are some of MVTec 3D-AD's in colour, at half size, found under
`LATTICEWORK_DATA`; so are the two scans on which the table is taken off. Test parts decide nothing. A run without some
of this is shown, and not recorded.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import anomaly_real, real_data_if_there, records

NAME: Final = "anomaly"
COMMAND: Final = "python -m benchmarks.anomaly"
GOOD, SET_ASIDE = 40, 19  # the second certifies one false alarm in twenty
CONTRASTS: Final = ("easy", "medium", "hard")
SEEDS: Final = (11, 12)
TUNED: Final = 1  # the seed of what everything was tuned on
DEFAULT: Final = "as by default"
VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    DEFAULT: {},
    "no bank for form": {"banks": ("colour", "texture", "geometry")},
    "places count for nothing": {"config": {"places": 0.0}},
    "the fusion bank kept": {"keep": True},
    "scores fused by ocsvm": {"fusion": "ocsvm"},
    "scores fused by zsum": {"fusion": "zsum"},
}
SHOWN: Final = ("stain", "scratch", "dent", "cut", "bend", "good")
Figures = dict[str, float]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--contrasts", nargs="+", choices=CONTRASTS, default=list(CONTRASTS))
    parser.add_argument("--families", nargs="+", help="all of them unless some are named")
    parser.add_argument("--jobs", type=int, default=2, help="data sets that are worked on at once, with a thread each")
    parser.add_argument("--overlays", type=Path, help="a picture of overlays to write")
    arguments = parser.parse_args()
    lacks = lacking(arguments.seeds, arguments.contrasts, arguments.families)
    if lacks:
        print(f"to be shown, not recorded, for it lacks: {', '.join(lacks)}", file=sys.stderr)
    result = measure(arguments.seeds, arguments.contrasts, arguments.families, arguments.jobs)
    records.record(result, lacks=lacks)
    if arguments.overlays is not None:
        draw_overlays(arguments.overlays, arguments.seeds[0])


def measure(
    seeds: Sequence[int], contrasts: Sequence[str], families: Sequence[str] | None = None, jobs: int = 1, **sizes: int
) -> records.Result:
    """Every fit, and what was found; `sizes` are those of `generate`."""
    from joblib import Parallel, delayed

    from latticework.anomaly.synth import FAMILIES, VERSION

    chosen = tuple(FAMILIES) if families is None else tuple(families)
    asked = [
        (seed, contrast, family)
        for contrast in contrasts
        for seed in (seeds if contrast == "medium" else seeds[:1])
        for family in chosen
    ]
    varied = [contrast == "medium" and seed == seeds[0] for seed, contrast, _ in asked]
    work = (delayed(on_synthetic)(*one, vary, **sizes) for one, vary in zip(asked, varied, strict=True))
    found = Parallel(n_jobs=jobs)(work)
    rows = []
    for contrast in contrasts:
        rows += rows_of(contrast, [some for one, some in zip(asked, found, strict=True) if one[1] == contrast], chosen)
    rows += [*anomaly_real.tyres(), *anomaly_real.scans()]
    names = " ".join(map(str, seeds))
    title = (
        f"Defects of synthetic parts, version {VERSION} of the generator, seeds {names}; means over families and seeds"
    )
    title += " (of easy and hard parts, the first seed), and over splits of the good tyres"
    command = records.command_line(
        COMMAND,
        seeds=list(seeds),
        contrasts=None if set(contrasts) == set(CONTRASTS) else list(contrasts),
        families=None if set(chosen) == set(FAMILIES) else list(chosen),
        jobs=jobs,
    )
    return records.make_result(NAME, title, command, rows, threads=1, jobs=jobs)


def lacking(seeds: Sequence[int], contrasts: Sequence[str], families: Sequence[str] | None = None) -> list[str]:
    """What belongs to a record, and was not asked for or is not at hand."""
    from latticework.anomaly.synth import FAMILIES

    chosen = FAMILIES if families is None else families
    lacks = [f"{contrast} parts" for contrast in CONTRASTS if contrast not in contrasts]
    lacks += [f"the family {family}" for family in FAMILIES if family not in chosen]
    lacks += [f"{len(SEEDS)} seeds that nothing was tuned on"] * (TUNED in seeds or len(set(seeds)) < len(SEEDS))
    return lacks + [name for name in (anomaly_real.TYRES, *anomaly_real.SCANS) if real_data_if_there(name) is None]


def on_synthetic(seed: int, contrast: str, family: str, vary: bool, **sizes: int) -> dict[str, Any]:
    """Draw a data set, fit and evaluate, with every variant if that is wanted."""
    import torch

    from latticework.anomaly.synth import generate

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        counts = {"good": GOOD, "validation": SET_ASIDE, **sizes}
        (data,) = generate(Path(folder) / family, seed=seed, family=family, contrast=contrast, **counts)
        wanted = VARIANTS if vary else {DEFAULT: {}}
        found = {name: fitted_and_evaluated(data, **changes) for name, changes in wanted.items()}
    print(f"{contrast}, {seed}, {family}: {found[DEFAULT]}", file=sys.stderr)
    return {"family": family, **found}


def fitted_and_evaluated(
    data: Path, *, config: Mapping[str, Any] | None = None, keep: bool = False, **parameters: Any
) -> Figures:
    """The figures of one detector on one data set."""
    from latticework.anomaly import M3DM, M3DMConfig, fitting

    before = fitting.GAIN
    fitting.GAIN = -1.0 if keep else before  # type: ignore[misc]
    try:
        model = M3DM(config=M3DMConfig(**(config or {})), random_state=0, device="cpu", **parameters).fit(data)
    finally:
        fitting.GAIN = before  # type: ignore[misc]
    told = model.evaluate(data)
    image = {bank: figures.image.auroc for bank, figures in told.banks.items() if figures.image is not None}
    area = {bank: figures.aupro[0.3] for bank, figures in told.banks.items()}
    found = {name: value for name, value in told.figures.as_dict().items() if value is not None}
    found |= {"best bank image": max(image.values()), "best bank aupro": max(area.values())}
    found |= {"false alarms": told.false_alarms, "found": told.found, "certified": model.threshold_.certified}
    found["fusion kept"] = float("fusion" in model.banks_)
    for kind, figures in told.by_label.items():
        found |= {f"{kind} image": figures.image.auroc, f"{kind} aupro": figures.aupro[0.3]}
        found |= {f"{kind} {bank}": of_bank(told, kind, bank) for bank in told.banks}
    return found


def of_bank(told: Any, kind: str, bank: str) -> float:
    """How well one bank alone tells one kind of defect."""
    from latticework.anomaly.findings.measures import by_label

    return by_label(told.bank_scores[bank], told.labels)[kind].auroc


def rows_of(contrast: str, found: Sequence[Mapping[str, Any]], families: Sequence[str]) -> list[records.Row]:
    """The rows of one contrast: what is promised first."""
    runs = [some[DEFAULT] for some in found]
    promised = {"image_auroc": ">= 0.95", "aupro_0.3": ">= 0.95"} if contrast == "medium" else {}
    rows = [
        records.Row.mean(
            f"{contrast}: image AUROC", [run["image_auroc"] for run in runs], "", promised.get("image_auroc")
        )
    ]
    rows.append(
        records.Row.mean(
            f"{contrast}: AUPRO, up to 0.3", [run["aupro_0.3"] for run in runs], "", promised.get("aupro_0.3")
        )
    )
    over = [run["image_auroc"] - run["best bank image"] for run in runs]
    target = ">= 0" if contrast == "medium" else None
    rows.append(records.Row.mean(f"{contrast}: image AUROC, fused over the best single bank of each", over, "", target))
    over = [run["aupro_0.3"] - run["best bank aupro"] for run in runs]
    rows.append(records.Row.mean(f"{contrast}: AUPRO, fused over the best single bank of each", over, "", target))
    for limit in (0.1, 0.05, 0.01):
        rows.append(
            records.Row.mean(f"{contrast}: AUPRO, up to {limit}", [run[f"aupro_{limit:g}"] for run in runs], "")
        )
    for name, figure in (("pixel AUROC", "pixel_auroc"), ("image AP", "image_ap"), ("image F1, best", "image_f1_max")):
        rows.append(records.Row.mean(f"{contrast}: {name}", [run[figure] for run in runs]))
    alarms = [run["false alarms"] for run in runs]
    certified = statistics.fmean(run["certified"] for run in runs)
    rows.append(
        records.Row.mean(f"{contrast}: good parts that are taken for defective, certified {certified:.3g}", alarms)
    )
    rows.append(
        records.Row.mean(f"{contrast}: defective parts that are found at that", [run["found"] for run in runs], "")
    )
    if contrast != "medium":
        return rows
    for kind in sorted(
        name.removesuffix(" aupro") for name in runs[0] if name.endswith(" aupro") and "bank" not in name
    ):
        rows.append(records.Row.mean(f"{kind}: image AUROC", [run[f"{kind} image"] for run in runs], ""))
        rows.append(records.Row.mean(f"{kind}: AUPRO", [run[f"{kind} aupro"] for run in runs], ""))
    for kind in ("stain", "dent", "bend"):
        for bank in ("colour", "texture", "geometry", "form"):
            if f"{kind} {bank}" in runs[0]:
                rows.append(
                    records.Row.mean(
                        f"{kind}: image AUROC of the bank for {bank} alone", [run[f"{kind} {bank}"] for run in runs], ""
                    )
                )
    for family in families:
        own = [some[DEFAULT] for some in found if some["family"] == family]
        rows.append(records.Row.mean(f"{family}: image AUROC", [run["image_auroc"] for run in own], ""))
        rows.append(records.Row.mean(f"{family}: AUPRO", [run["aupro_0.3"] for run in own], ""))
    rows.append(
        records.Row.mean("data sets for which the fusion bank was kept", [run["fusion kept"] for run in runs], "")
    )
    for variant in list(VARIANTS)[1:]:
        changed = [(some[variant], some[DEFAULT]) for some in found if variant in some]
        for name, figure in (("image AUROC", "image_auroc"), ("AUPRO", "aupro_0.3")):
            gained = [one[figure] - other[figure] for one, other in changed]
            rows.append(records.Row.mean(f"{variant}: {name}, over the default", gained))
    return rows


def draw_overlays(path: Path, seed: int) -> None:
    """A picture of test parts at medium contrast, a row a family: each beside the same with its map over it."""
    import numpy as np
    from PIL import Image

    from latticework.anomaly import M3DM, read_folder
    from latticework.anomaly.report.heat import Scale
    from latticework.anomaly.report.overlays import layers, painted
    from latticework.anomaly.synth import FAMILIES, generate

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for family in FAMILIES:
            (data,) = generate(
                Path(folder) / family, seed=seed, family=family, good=GOOD, validation=SET_ASIDE, per_defect=1
            )
            model = M3DM(random_state=0, device="cpu").fit(data)
            parts = [found.read() for found in read_folder(data, split="test") if found.label in SHOWN]
            level = None if model.map_threshold_ is None else model.map_threshold_.value
            pictures = {}
            for part in parts:
                found = model.explain(part)
                truth = None if part.truth is None else part.truth > 0
                shown = painted(part.rgb, *layers(found, Scale.of([found], level)), truth)
                pictures[part.label] = np.hstack([part.rgb, shown])
            rows.append(np.hstack([pictures[label] for label in SHOWN]))
    Image.fromarray(np.vstack(rows)).save(path, optimize=True, quality=85)


if __name__ == "__main__":
    main()

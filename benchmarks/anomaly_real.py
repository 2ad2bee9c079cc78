"""Real parts that `benchmarks.anomaly` evaluates on: tyres in colour, and two scans of things on a table."""

from __future__ import annotations

from typing import Final

from benchmarks import real_data_if_there, records

TYRE_SIZES: Final = (224, 400)  # the default, and that of the pictures
TYRE_SEEDS: Final = range(5)
TYRES: Final = "anomaly/mvtec3d_tire_rgb_half"  # in the folder of real data
SCANS: Final = ("anomaly/mosd/learn0.pcd", "anomaly/mosd/test0.pcd")
THINGS: Final = 20  # labels of the scans from which on it is no table


def tyres() -> list[records.Row]:
    """Real tyres, colour only: few test images, so with a bootstrap interval; seeds choose the good parts set aside."""
    import torch

    from latticework.anomaly import M3DM, M3DMConfig

    data = real_data_if_there(TYRES)
    if data is None:
        return []
    torch.set_num_threads(1)
    rows = []
    for size in TYRE_SIZES:
        config = M3DMConfig(size=size)
        told = [M3DM(random_state=seed, device="cpu", config=config).fit(data).evaluate(data) for seed in TYRE_SEEDS]
        of, usual = f"tyres at {size} pixels", size == TYRE_SIZES[0]
        image, (low, high) = told[0].figures.image, told[0].interval
        parts = f"{image.good} good and {image.defective} defective tyres"
        rows.append(records.Row(f"{of}: image AUROC, {parts}, seed 0, 95 % interval", image.auroc, "", None, low, high))
        rows.append(records.Row.mean(f"{of}: image AUROC", [one.figures.image.auroc for one in told]))
        areas = [one.figures.pixel.auroc for one in told]
        rows.append(records.Row.mean(f"{of}: pixel AUROC", areas, "", ">= 0.95" if usual else None))
        areas = [one.figures.aupro[0.3] for one in told]
        rows.append(records.Row.mean(f"{of}: AUPRO, up to 0.3", areas, "", ">= 0.87" if usual else None))
        rows.append(records.Row.mean(f"{of}: defective parts that are found", [one.found for one in told]))
        alarms = [one.false_alarms for one in told]
        rows.append(records.Row.mean(f"{of}: good parts that are taken for defective", alarms))
        for bank in told[0].banks if usual else ():
            own = [one.banks[bank] for one in told]
            rows.append(records.Row.mean(f"{of}, bank for {bank} alone: image AUROC", [one.image.auroc for one in own]))
            rows.append(records.Row.mean(f"{of}, bank for {bank} alone: AUPRO", [one.aupro[0.3] for one in own]))
    return rows


def scans() -> list[records.Row]:
    """Two real scans of things on a table: what is left when the table is taken off, against their labels."""
    import numpy as np

    from latticework.anomaly.preparation.parts import find_part
    from latticework.anomaly.scans.pcd import read_pcd
    from latticework.anomaly.scans.samples import Sample

    rows = []
    for path in filter(None, map(real_data_if_there, SCANS)):
        cloud = read_pcd(path)
        things = np.asarray(cloud.fields["label"]) >= THINGS
        scan = Sample.of(xyz=cloud.xyz, name=path.stem)
        found = find_part(scan).mask & scan.returned
        share = float((things & found).sum() / (things | found).sum())
        rows.append(
            records.Row(f"{path.stem}: IoU of the things found with those that people marked", share, "", ">= 0.93")
        )
    return rows

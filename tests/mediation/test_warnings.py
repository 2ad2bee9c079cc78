"""Warnings name the line of whoever called the library, by whatever way it was entered."""

import json
import subprocess
import sys

SCRIPT = """
import json, sys, warnings
from pathlib import Path

import numpy as np
import pandas as pd

from latticework.mediation import BIMA, BasisDecomposition, read_study, simulate, write_study

folder, data = Path(sys.argv[1]), simulate(n=20, side=5)
few = {"n_chains": 2, "n_warmup": 1, "n_draws": 4, "n_jobs": 1, "random_state": 0}
pictures = data.mediators.reshape(20, 5, 5).copy()
pictures[:, 1, 1] = 1
small = write_study(data, folder / "study")
table = pd.read_csv(small / "participants.tsv", sep="\\t")
table.loc[3, "exposure"] = np.nan
names = {"exposure": "exposure", "outcome": "outcome", "missing": "drop"}
data.space.image(np.arange(1, 26)).to_filename(folder / "mask.nii.gz")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    BIMA(**few).fit(data.exposure, pictures, data.outcome, regions=np.arange(25).reshape(5, 5) % 9)
    BIMA(BasisDecomposition(n_components=20), **few).fit_study(data)
    read_study(table, small / "images", **names)
    read_study(table, small / "images", **names, mask=folder / "mask.nii.gz")
print(json.dumps([(warning.filename, str(warning.message)) for warning in caught]))
"""
TOLD = (
    "1 voxel of 25 are the same in all subjects", "3 voxels of 25 are in no region", "8 regions, each of which",
    "the image can account for all", "chains disagree", "1 participant without a value", "no mask was given",
    "holds other values than 0 and 1",
)  # fmt: skip


def test_every_warning_names_the_line_of_the_user(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(tmp_path)]  # on its own: here what checks shapes stands between
    caught = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for told in TOLD:
        assert {file for file, message in caught if told in message} == {str(script)}, told

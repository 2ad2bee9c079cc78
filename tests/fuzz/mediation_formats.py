"""Images of brains, tables, matrices, files of R, and folders of studies."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
from fuzz.examples import Files, Format
from fuzz.text_formats import PACKERS, gzipped, npy, packed_by, zipped
from mediation.niftis import AFFINE, MASK, VOLUMES

from latticework.core.arrays import read_npy
from latticework.mediation import read_r, read_study, study_of, study_of_r, write_study
from latticework.mediation.basis_parts import _read as read_parts
from latticework.mediation.images import read_images, read_map
from latticework.mediation.joining import read_ids
from latticework.mediation.labels import label_image, read_centres
from latticework.mediation.matrices import read_matrix
from latticework.mediation.simulation import simulate
from latticework.mediation.spaces import Space
from latticework.mediation.tables import read_table
from latticework.mediation.truth import read_truth, write_simulated

RNG = np.random.default_rng(0)
TABLE = b"participant_id\tx\ty\tage\tsex\nsub-01\t1\t2\t34\tf\nsub-02\t0\t1.5\tn/a\tm\nsub-03\t2\t1\t20\tf\n"
SPACE = Space(mask=MASK, affine=AFFINE, header={})


def nifti(values: np.ndarray, *, second: bool = False, order: str = "<", slope: float | None = None) -> bytes:
    import nibabel

    kind = nibabel.Nifti2Image if second else nibabel.Nifti1Image
    header = kind.header_class(endianness=order)
    header.set_data_dtype(values.dtype)
    image = kind(values, AFFINE, header)
    if slope is not None:
        image.header.set_slope_inter(slope, 1)
    return image.to_bytes()


def images() -> list[Files]:
    one = VOLUMES[..., 0]
    kinds = [
        nifti(one),
        nifti(one, second=True),
        nifti(one.astype(">f8"), order=">"),
        nifti((one * 9).astype(np.int16)),
    ]
    return [
        {"some.nii": data} for data in [*kinds, nifti((one * 9).astype(np.uint8), slope=0.5), nifti(VOLUMES[..., :3])]
    ]


def files_of(folder: Path) -> Files:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def small_study(*, confounders: int = 1) -> object:
    shape = (6, 2, 3)
    return study_of(
        RNG.normal(size=6), RNG.normal(size=shape), RNG.normal(size=6), RNG.normal(size=(6, confounders)),
        regions=np.array([[1, 1, 2], [1, 2, 2]]),
    )  # fmt: skip


def studies() -> list[Files]:
    found = []
    with tempfile.TemporaryDirectory() as place:
        for four_d in (False, True):
            found.append(files_of(write_study(small_study(), Path(place) / f"study-{four_d}", four_d=four_d)))
    return found


def truths() -> list[Files]:
    with tempfile.TemporaryDirectory() as place:
        write_simulated(simulate(20, 5), Path(place) / "study", {"seed": 0})
        return [files_of(Path(place) / "study")]


def unpacked_niftis(seeds: list[Files]) -> list[Files]:
    """The same with images as they are before they are packed, so that what is in them is damaged too."""
    return [
        {name: gzip.decompress(data) if name.endswith(".gz") else data for name, data in files.items()}
        for files in seeds
    ]


def with_packed_niftis(files: Files) -> Files:
    return {name: gzip.compress(data, 1, mtime=0) if name.endswith(".gz") else data for name, data in files.items()}


def arrays() -> list[Files]:
    given = {
        "exposure": RNG.normal(size=6),
        "mediators": RNG.normal(size=(6, 6)),
        "outcome": RNG.normal(size=6),
        "confounders": RNG.normal(size=(6, 1)),
        "coordinates": np.array([[x, y] for x in range(2) for y in range(3)], float),
        "regions": np.array(list("aabbaa")),
        "subjects": np.array([f"s{k}" for k in range(6)]),
    }
    flat = {f"{name}.npy": npy(values) for name, values in given.items()}
    grid = flat | {"mediators.npy": npy(RNG.normal(size=(6, 2, 3))), "mask.npy": npy(np.ones((2, 3), bool))}
    return [flat, {name: data for name, data in grid.items() if name not in ("coordinates.npy", "regions.npy")}]


def r_files(*, single: bool) -> list[Files]:
    import pandas
    import rdata

    held = {"X": RNG.normal(size=5), "M": RNG.normal(size=(4, 5)), "Y": RNG.normal(size=5), "C": np.arange(5)}
    values = {
        "study": held,
        "frame": pandas.DataFrame({"a": [1.0, 2.0], "b": pandas.Categorical(["x", "y"])}),
        "n": 3,
        "t": "text",
        "l": [True, None],
    }
    write = rdata.write_rds if single else rdata.write_rda
    found = []
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "some"
        for form in ("xdr", "ascii"):
            for value in (held, values) if single else (values,):
                write(file, value, file_format=form, compression="gzip")
                found.append({"some.rda": gzip.decompress(file.read_bytes())})
    return found


def of_r(folder: Path) -> None:
    held = read_r(next(folder.iterdir()))
    held = held.get("study", held.get("some", held))
    if isinstance(held, dict):
        study_of_r(held, transposed=True, coordinates=np.arange(8.0).reshape(4, 2))


def kept_parts() -> list[Files]:
    return [{"vectors.0.npy": npy(np.eye(4)[:, :2]), "eigenvalues.0.npy": npy([2.0, 1.0])}]


def joined(folder: Path) -> None:
    read_study(
        folder / "participants.tsv", folder / "images.csv", exposure="x", outcome="y", confounders=["age"],
        coordinates=folder / "places.csv", missing="drop", centres=folder / "centres.csv",
    )  # fmt: skip


JOINED = {
    "participants.tsv": TABLE + b"sub-04\t2\t3\t41\tm\nsub-05\t0.5\t3\t40\tm\n",
    "images.csv": b"id,a,b\nsub-01,1,2\nsub-02,0,1.5\nsub-03,2,7\nsub-04,3,2\nsub-05,1e3,5\n",
    "places.csv": b"x,y\n0,1\n2,3\n",
    "centres.csv": b"ROI,X,Y\nleft,-25,-98\nright,3,4\n",
}

FORMATS = [
    Format("mediation-nifti", images, lambda folder: read_images(folder / "some.nii", MASK), guided=True),
    Format("mediation-nifti-gzip", images, lambda folder: read_images(next(folder.iterdir())), seal=gzipped),
    Format("mediation-map", lambda: images()[:3], lambda folder: read_map(folder / "some.nii", SPACE)),
    Format(
        "mediation-atlas",
        lambda: [
            {"atlas.nii": nifti(MASK.astype(np.int16) * 2), "atlas.tsv": b"index\tname\n0\tnone\n2\tleft\n"},
            {"atlas.nii": nifti(MASK.astype(np.float32)), "atlas.tsv": b"index\tname\n1\t1\n"},
        ],
        lambda folder: label_image(folder / "atlas.nii").of(SPACE),
    ),
    Format(
        "mediation-tables",
        lambda: [
            {"some.tsv": TABLE},
            {"some.tsv": TABLE.replace(b"\t", b",")},
            {"some.tsv": b"participant_id\tb\tc\nx\ttrue\t1.5\ny\tfalse\tn/a\n"},
        ],
        lambda folder: (read_table(folder / "some.tsv", id_column="participant_id"), read_ids(folder / "some.tsv")),
    ),
    Format("mediation-ids", lambda: [{"some.txt": b"sub-01\nsub-02\n"}], lambda folder: read_ids(folder / "some.txt")),
    Format(
        "mediation-centres",
        lambda: [{"some.csv": b"ROI,X,Y,Z\n1,-25,-98,-12\n2,1e3,0,.5\n"}],
        lambda folder: read_centres(folder / "some.csv"),
    ),
    Format(
        "mediation-matrix",
        lambda: [{"some.csv": JOINED["images.csv"]}],
        lambda folder: read_matrix(folder / "some.csv"),
    ),
    Format("mediation-joined", lambda: [JOINED], joined),
    Format(
        "mediation-npy",
        lambda: [{"some.npy": npy(RNG.normal(size=(3, 4)))}],
        lambda folder: np.array(read_npy(folder / "some.npy")),
        guided=True,
    ),
    Format("mediation-npz", arrays, lambda folder: read_study(folder / "some.npz"), seal=zipped("some.npz")),
    Format("mediation-study", lambda: unpacked_niftis(studies()), read_study, seal=with_packed_niftis),
    Format(
        "mediation-truth",
        lambda: unpacked_niftis(truths()),
        lambda folder: read_truth(folder, read_study(folder).space),
        seal=with_packed_niftis,
    ),
    Format("mediation-rda", lambda: r_files(single=False), of_r, guided=True, claims=True),
    Format("mediation-rds", lambda: r_files(single=True), of_r, guided=True, claims=True),
    *(
        Format(f"mediation-rda-{name}", lambda: r_files(single=False), of_r, seal=packed_by(pack), claims=True)
        for name, pack in PACKERS.items()
    ),
    Format(
        "mediation-kept-basis",
        kept_parts,
        lambda folder: read_parts(folder / "some.npz", [(4, 3)]),
        seal=zipped("some.npz", compression=0),
    ),
]

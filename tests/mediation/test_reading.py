import bz2
import gzip
import io
import json
import lzma
import struct
import subprocess
import sys
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mediation.niftis import AFFINE, MASK, VOLUMES, X, Y, complaint, image, refused, saved, study

from latticework.mediation.matrices import read_matrix
from latticework.mediation.reading import read_study
from latticework.mediation.rfiles import read_r, study_of_r
from latticework.mediation.study import study_of
from latticework.mediation.writing import write_study

IDS = [f"p{number}" for number in range(9)]
EXPECTED = VOLUMES[MASK].T
ORDER = np.random.default_rng(3).permutation(9)
NAMES = {"exposure": "dose", "outcome": "memory", "confounders": ["site"]}


@pytest.fixture
def table(write):
    sites = "ABABABABA"
    rows = [f"{one}\t{x!r}\t{y!r}\t{site}" for one, x, y, site in zip(IDS, X.tolist(), Y.tolist(), sites, strict=True)]
    return write("people.tsv", ["participant_id\tdose\tmemory\tsite", *rows])


@pytest.fixture
def mask(tmp_path):
    return saved(tmp_path / "mask.nii.gz", MASK.astype(np.uint8))


def with_space(regions=None, n=9):
    return study_of(X[:n], image(VOLUMES[..., :n]), Y[:n], mask=image(MASK.astype(np.uint8)), regions=regions)


def test_images_of_a_folder_are_joined_to_the_table(tmp_path, table, mask):
    (tmp_path / "con").mkdir()
    for place in ORDER:
        saved(tmp_path / "con" / f"{IDS[place]}_con.nii.gz", VOLUMES[..., place])
    made = read_study(table, tmp_path / "con", **NAMES, mask=mask)
    assert np.array_equal(made.mediators, EXPECTED)
    assert np.array_equal(made.exposure, X)
    assert np.array_equal(made.outcome, Y)
    assert made.subjects == tuple(IDS)
    assert (made.exposure_name, made.outcome_name, made.confounder_names) == ("dose", "memory", ("site=B",))
    made = read_study(table, tmp_path / "con", **NAMES, mask=mask, pattern="{participant_id}_con.nii.gz")
    assert np.array_equal(made.mediators, EXPECTED)
    (tmp_path / "con" / "p3_con.nii.gz").unlink()
    with refused("1 participant without an image: p3"):
        read_study(table, tmp_path / "con", **NAMES, mask=mask)


def test_volumes_of_a_4d_file_need_ids(tmp_path, table, mask, write):
    file = saved(tmp_path / "all.nii.gz", VOLUMES[..., ORDER])
    with refused("all.nii.gz", "ordered=True", "volumes"):
        read_study(table, file, **NAMES, mask=mask)
    ids = write("volumes.tsv", ["participant_id", *(IDS[place] for place in ORDER)])
    assert np.array_equal(read_study(table, file, **NAMES, mask=mask, volumes=ids).mediators, EXPECTED)
    listed = [IDS[place] for place in ORDER]
    assert np.array_equal(read_study(table, file, **NAMES, mask=mask, volumes=listed).mediators, EXPECTED)
    ordered = read_study(table, saved(tmp_path / "o.nii", VOLUMES), **NAMES, mask=mask, ordered=True)
    assert np.array_equal(ordered.mediators, EXPECTED)
    with refused("9 volumes", "8 ids"):
        read_study(table, file, **NAMES, mask=mask, volumes=listed[1:])
    with refused("p9"):
        read_study(table, file, **NAMES, mask=mask, volumes=["p9", *listed[1:]])
    with refused("same id"):
        read_study(table, file, **NAMES, mask=mask, volumes=[listed[1], *listed[1:]])
    with refused("volumes: expected a list of ids, got a set"):
        read_study(table, file, **NAMES, mask=mask, volumes=set(listed))
    with refused("8 volumes for 9 participants", "time series"):
        read_study(table, saved(tmp_path / "s.nii", VOLUMES[..., 1:]), **NAMES, mask=mask, ordered=True)


def test_images_of_those_left_out_are_passed_over(tmp_path, table, mask, write):
    lines = table.read_text().splitlines()
    lines[3] = "p2\tn/a\t1.0\tA"
    table = write("less.tsv", lines)
    file = saved(tmp_path / "all.nii.gz", VOLUMES[..., ORDER])
    with refused("1 participant without a value in dose: p2"):
        read_study(table, file, **NAMES, mask=mask, ordered=True)
    with pytest.warns(UserWarning, match="p2"):
        made = read_study(table, file, **NAMES, mask=mask, volumes=[IDS[place] for place in ORDER], missing="drop")
    assert np.array_equal(made.mediators, np.delete(EXPECTED, 2, axis=0))
    assert np.array_equal(made.exposure, np.delete(X, 2))
    with refused("left out", "order"), pytest.warns(UserWarning, match="p2"):
        read_study(table, file, **NAMES, mask=mask, ordered=True, missing="drop")


def test_matrices_are_joined_by_id(tmp_path, table, mask, write):
    rows = [f"{IDS[place]},{','.join(map(repr, EXPECTED[place].tolist()))}" for place in ORDER]
    header = "id," + ",".join(f"v{n}" for n in range(18))
    file = write("m.csv", [header, *rows])
    made = read_study(table, file, **NAMES, mask=mask)
    assert np.array_equal(made.mediators, EXPECTED.astype(np.float64))
    places = write("places.csv", ["x,y,z", *(",".join(map(str, row)) for row in made.coordinates)])
    assert np.array_equal(read_study(table, file, **NAMES, coordinates=places).coordinates, made.coordinates)
    with refused("where its voxels are"):
        read_study(table, file, **NAMES)
    with refused("1 participant without a row of mediators"):
        read_study(table, write("m.csv", [header, *rows[1:]]), **NAMES, mask=mask)
    np.save(tmp_path / "m.npy", EXPECTED[ORDER])
    made = read_study(table, tmp_path / "m.npy", **NAMES, mask=mask, volumes=[IDS[place] for place in ORDER])
    assert np.array_equal(made.mediators, EXPECTED)
    with refused("m.npy", "volumes"):
        read_study(table, tmp_path / "m.npy", **NAMES, mask=mask)


def test_voxels_that_never_vary_are_left_out_of_tables_and_arrays(tmp_path, table, mask, write):
    values = EXPECTED.astype(np.float64)
    values[:, 3] = 1
    rows = [f"{one},{','.join(map(repr, row))}" for one, row in zip(IDS, values.tolist(), strict=True)]
    file = write("m.csv", ["id," + ",".join(f"v{n}" for n in range(18)), *rows])
    np.save(tmp_path / "m.npy", values)
    np.savez(tmp_path / "s.npz", exposure=X, mediators=values, outcome=Y, mask=MASK)
    ways = [
        lambda: read_study(table, file, **NAMES, mask=mask),
        lambda: read_study(table, tmp_path / "m.npy", **NAMES, mask=mask, ordered=True),
        lambda: read_study(tmp_path / "s.npz"),
    ]
    for way in ways:
        with pytest.warns(UserWarning, match="1 voxel of 18 are the same in all subjects: left out"):
            made = way()
        assert np.array_equal(made.mediators, np.delete(values, 3, axis=1))
        assert made.space.n_voxels == len(made.coordinates) == 17


def test_matrices_in_text_are_checked_cell_by_cell(write):
    with refused("'a'", "'v1'", "'x' is no number"):
        read_matrix(write("m.csv", ["id,v0,v1", "a,1,x"]))
    for cell in ("1_0", "\u0663"):
        with refused("'a'", "'v1'", f"{cell!r} is no number"):
            read_matrix(write("m.csv", ["id,v0,v1", f"a,1,{cell}"]))
    assert np.isnan(read_matrix(write("m.csv", ["id,v0,v1", "a,1,n/a"]))[1]).tolist() == [[False, True]]
    with refused("more than once"):
        read_matrix(write("m.csv", ["id,v0", "a,1", "a,2"]))
    with refused("at least one"):
        read_matrix(write("m.csv", ["id", "a"]))
    with refused("no row"):
        read_matrix(write("m.csv", ["id,a"]))


def test_regions_come_from_an_atlas_or_from_centres(tmp_path, table, mask, write):
    file = saved(tmp_path / "all.nii", VOLUMES)
    labels = np.zeros(MASK.shape, np.int16)
    labels[2:], labels[1] = 11, 4
    atlas = saved(tmp_path / "atlas.nii.gz", *_ras(labels))
    write("atlas.tsv", ["index\tname", "4\tinsula"])
    made = read_study(table, file, **NAMES, mask=mask, atlas=atlas, ordered=True)
    assert made.region_names == ("insula", "11")
    assert np.array_equal(made.regions, (labels[MASK] == 11).astype(int))
    centres = write("c.csv", ["ROI,X,Y,Z", "far,900,0,0", "left,8,-16,5", "right,4,-16,8"])
    made = read_study(table, file, **NAMES, mask=mask, centres=centres, ordered=True)
    assert made.region_names == ("left", "right")
    with refused("one of them"):
        read_study(table, file, **NAMES, mask=mask, centres=centres, atlas=atlas, ordered=True)


def test_centres_are_held_against_the_coordinates_given_beside_a_mask(tmp_path, write):
    points = np.array([[10.0 * place - 40, 20, 5 * place] for place in range(6)])
    made = study()
    arrays = {name: getattr(made, name) for name in ("exposure", "mediators", "outcome")}
    np.savez(tmp_path / "s.npz", **arrays, coordinates=points, mask=np.ones((6, 1, 1), dtype=bool))
    centres = write("c.csv", ["name,x,y,z", "left,-40,20,0", "right,10,20,25"])
    assert read_study(tmp_path / "s.npz", centres=centres).regions.tolist() == [0, 0, 0, 1, 1, 1]
    np.savez(tmp_path / "t.npz", **arrays, coordinates=points[:, :1], mask=np.ones((6, 1, 1), dtype=bool))
    with refused("expected the same axes"):  # those of the grid would be others than were given
        read_study(tmp_path / "t.npz", centres=centres)


def test_centres_of_one_name_stay_regions_of_their_own_and_so_when_written_and_read(tmp_path, table, mask, write):
    file = saved(tmp_path / "all.nii", VOLUMES)
    centres = write("c.csv", ["name,x,y,z", "DMN,900,0,0", "DMN,8,-16,5", "SMN,6,-16,5", "DMN,4,-16,8"])
    made = read_study(table, file, **NAMES, mask=mask, centres=centres, ordered=True)
    assert made.region_names == ("DMN (2)", "SMN", "DMN (4)")
    assert np.array_equal(np.unique(made.regions), [0, 1, 2])
    back = read_study(write_study(made, tmp_path / "s"))
    assert back.region_names == made.region_names
    assert np.array_equal(back.regions, made.regions)


def _ras(labels):
    turned = nibabel.as_closest_canonical(image(labels))
    return np.asarray(turned.dataobj), turned.affine


@pytest.mark.parametrize("four_d", [False, True])
def test_what_is_written_is_read_back(tmp_path, four_d):
    labels = np.where(np.arange(MASK.size).reshape(MASK.shape) % 3 == 0, 9, 4)
    made = with_space(regions=labels)
    back = read_study(write_study(made, tmp_path / "s", four_d=four_d))
    assert np.array_equal(back.mediators, made.mediators)
    assert np.array_equal(back.regions, made.regions)
    assert back.region_names == made.region_names == ("4", "9")
    assert np.array_equal(back.exposure, made.exposure)
    assert np.array_equal(back.outcome, made.outcome)
    assert np.array_equal(back.coordinates, made.coordinates)
    assert np.array_equal(back.space.affine, AFFINE)
    assert back.subjects == tuple(f"sub-{n:04}" for n in range(1, 10))
    again = read_study(write_study(back, tmp_path / "t", four_d=not four_d))
    assert again.subjects == back.subjects
    assert np.array_equal(again.mediators, made.mediators)


def test_the_same_study_gives_the_same_bytes(tmp_path):
    first, second = (write_study(with_space(), tmp_path / name) for name in "ab")
    for path in first.rglob("*.*"):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()


def test_pictures_without_a_grid_get_one(tmp_path):
    side = np.linspace(-1, 1, 5)
    points = np.array([(x, y) for y in side for x in side])[:-3]  # the first axis fastest, and some are missing
    made = study(p=22, coordinates=points, regions=np.arange(22) // 11)
    back = read_study(write_study(made, tmp_path / "s"))
    order = [int(np.abs(points - place).sum(axis=1).argmin()) for place in back.coordinates]
    assert sorted(order) == list(range(22))
    assert np.allclose(back.coordinates, points[order], atol=1e-6)
    assert np.array_equal(back.mediators, made.mediators[:, order].astype(np.float32))
    assert np.array_equal(back.regions, made.regions[order])
    assert np.array_equal(back.confounders, made.confounders)
    loaded = nibabel.load(tmp_path / "s" / "images" / "sub-0001.nii.gz")
    assert loaded.shape == (5, 5, 1)
    with refused("evenly spaced"):
        write_study(study(), tmp_path / "t")
    assert not (tmp_path / "t").exists()
    assert not list(tmp_path.glob(".latticework*"))


def test_nothing_else_is_written_over(tmp_path):
    folder = write_study(with_space(), tmp_path / "s")
    write_study(with_space(), folder, four_d=True)
    assert not (folder / "images").exists()
    write_study(with_space(), folder)
    (folder / "images" / "mine.nii.gz").touch()
    with refused("mine.nii.gz"):
        write_study(with_space(), folder)
    (folder / "images" / "mine.nii.gz").unlink()
    (folder / "notes.txt").touch()
    with refused("notes.txt"):
        write_study(with_space(), folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mask.nii.gz").touch()
    with refused("other", "study.json"):
        write_study(with_space(), tmp_path / "other")
    with refused("notes.txt is a file"):
        write_study(with_space(), folder / "notes.txt" / "s")
    with refused("is a file"):
        write_study(with_space(), tmp_path / "s" / "notes.txt")


def test_ids_that_cannot_name_a_file_are_refused(tmp_path):
    for one in ("../x", "a/b", ".a", "a..b", "a b", "", "n\na"):
        names = [one, *IDS[1:]]
        made = study_of(X, image(VOLUMES), Y, mask=MASK, subjects=names)
        with refused("letters, digits"):
            write_study(made, tmp_path / "s")
    with refused("capitals"):
        write_study(study_of(X, image(VOLUMES), Y, mask=MASK, subjects=["P1", *IDS[1:]]), tmp_path / "s")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"kind": 3}', '{"kind": "latticework mediation study", "exposure": 1}', "[" * 100_000]
)
def test_a_damaged_description_is_refused(tmp_path, text):
    folder = write_study(with_space(), tmp_path / "s")
    (folder / "study.json").write_text(text)
    with refused("study.json"):
        read_study(folder)


def test_npz_studies_are_read(tmp_path):
    made = study(p=6, regions=[1, 1, 2, 2, 3, 3])
    arrays = {name: getattr(made, name) for name in ("exposure", "mediators", "outcome", "confounders", "coordinates")}
    np.savez_compressed(tmp_path / "s.npz", **arrays, regions=made.regions, subjects=np.array(list("abcdefghijkl")))
    back = read_study(tmp_path / "s.npz")
    for name, values in arrays.items():
        assert np.array_equal(getattr(back, name), values)
    assert back.subjects == tuple("abcdefghijkl")
    assert back.region_names == ("0", "1", "2")
    inside = np.ones((2, 3), dtype=bool)
    del arrays["coordinates"]
    np.savez(tmp_path / "m.npz", **arrays, mask=inside, affine=np.diag([2.0, 2, 2, 1]))
    assert read_study(tmp_path / "m.npz").coordinates[-1].tolist() == [2, 4]
    np.savez(tmp_path / "f.npz", **arrays, mask=inside, affine=np.diag([2.0, 2, 0, 1]))
    with refused("f.npz", "no size along an axis"):
        read_study(tmp_path / "f.npz")
    del arrays["outcome"]
    np.savez(tmp_path / "l.npz", **arrays)
    with refused("l.npz", "no outcome"):
        read_study(tmp_path / "l.npz")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), max_size=6), end=st.integers(0, 2600))
def test_whatever_a_npz_file_holds_only_input_errors_come_out(tmp_path, write, places, end):
    stream = io.BytesIO()
    rng = np.random.default_rng(0)
    np.savez(stream, exposure=rng.normal(size=6), mediators=rng.normal(size=(6, 2)), outcome=rng.normal(size=6),
             coordinates=np.eye(2))  # fmt: skip
    data = bytearray(stream.getvalue())
    for place, value in places:
        data[place % len(data)] = value
    for content in (bytes(data), bytes(data[:end])):
        complaint(read_study, write("f.npz", content))


def r_list(**fields):
    """A file of R, in the form of saveRDS, of a list of vectors and matrices of doubles."""

    def integers(*values):
        return struct.pack(f">{len(values)}i", *values)

    def text(value):
        return integers(0x00040009, len(value)) + value.encode()

    def symbol(name):
        return integers(1) + text(name)

    def doubles(values):
        values = np.asarray(values, dtype=np.float64)
        body = integers(0x20E if values.ndim == 2 else 0xE, values.size)
        body += np.asarray(values.ravel("F"), dtype=">f8").tobytes()
        if values.ndim == 2:
            body += integers(0x402) + symbol("dim") + integers(13, 2, *values.shape) + integers(254)
        return body

    data = b"X\n" + integers(2, 0x030602, 0x020300) + integers(0x213, len(fields))
    data += b"".join(doubles(values) for values in fields.values())
    data += integers(0x402) + symbol("names") + integers(16, len(fields)) + b"".join(map(text, fields)) + integers(254)
    return data


def r_study():
    rng = np.random.default_rng(4)
    return {
        "Y": rng.normal(size=12),
        "M": rng.normal(size=(6, 12)),
        "X": rng.normal(size=12),
        "C": rng.normal(size=(2, 12)),
    }


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_files_of_r_become_studies(write, pack):
    fields = r_study()
    read = read_r(write("s.rds", pack(r_list(**fields))))
    for name, values in fields.items():
        assert np.array_equal(read[name], values)
    made = study_of_r(read, transposed=True, coordinates=np.eye(6)[:, :2])
    assert np.array_equal(made.mediators, fields["M"].T)
    assert np.array_equal(made.confounders, fields["C"].T)
    with refused("transposed"):
        study_of_r(read | {"C": None}, transposed=False, coordinates=np.eye(6)[:, :2])
    with refused("no M"):
        study_of_r({"X": 1, "Y": 2}, transposed=True)


def test_files_of_r_that_are_damaged_or_bombs_are_refused(tmp_path, write, monkeypatch):
    data = r_list(**r_study())
    packed = gzip.compress(data)
    broken = [b"", b"nothing", data[:200], b"RDX3\nX\n" + data[2:60], gzip.compress(packed)]
    broken += [
        packed[:-20],
        packed[:40] + b"\xff" * 9 + packed[49:],
        bz2.compress(data)[:-9],
        lzma.compress(data)[:-40],
    ]
    for content in broken:
        with refused("s.rds"):
            read_r(write("s.rds", content))
    with refused("no such file"):
        read_r(tmp_path / "none.rda")
    with refused("folder"):
        read_r(tmp_path)
    monkeypatch.setattr("latticework.mediation.rfiles.MAX_R_BYTES", 2**22)
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        with refused("unpacks to more"):
            read_r(write("bomb.rds", pack(bytes(2**24))))
    monkeypatch.setattr("latticework.mediation.rfiles.MAX_FILE_BYTES", 100)
    with refused("more than the 100 that are read"):
        read_r(write("s.rds", packed))


def test_a_sequence_of_r_is_bounded(write):
    def integers(*values):
        return struct.pack(f">{len(values)}i", *values)

    def text(value):
        return integers(0x00040009, len(value)) + value.encode()

    def sequence(length):
        info = integers(2) + integers(1) + text("compact_intseq") + integers(2) + integers(1) + text("base")
        info += integers(2) + integers(13, 1, 13) + integers(254)
        state = integers(14, 3) + struct.pack(">3d", length, 1, 1)
        return b"X\n" + integers(2, 0x030602, 0x020300) + integers(238) + info + state + integers(254)

    assert read_r(write("s.rds", sequence(4)))["s"].tolist() == [1, 2, 3, 4]
    with refused("sequence"):
        read_r(write("s.rds", sequence(2e9)))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), max_size=6), end=st.integers(0, 1500))
def test_whatever_a_file_of_r_holds_only_input_errors_come_out(write, places, end):
    data = bytearray(r_list(**r_study()))
    for place, value in places:
        data[place % len(data)] = value
    for content in (bytes(data), bytes(data[:end])):
        complaint(read_r, write("f.rds", content))


def test_the_package_is_light_until_it_reads():
    code = "import sys, latticework.mediation; print({'nibabel', 'pandas', 'rdata', 'scipy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"


def test_a_table_needs_images_and_columns(table):
    with refused("needs images"):
        read_study(table)
    with refused("columns"):
        read_study(table, ["a.nii"])
    with refused("cannot be joined by id"):
        read_study(table, [image(VOLUMES[..., 0])], **NAMES)
    with refused("expected a path"):
        read_study(table, 3, **NAMES)


@pytest.mark.parametrize(
    "options",
    [
        {"images": "scans"},
        {"exposure": "dose"},
        {"outcome": "memory"},
        {"confounders": ["site"]},
        {"coordinates": np.zeros((6, 2))},
        {"id_column": "id"},
        {"pattern": "{participant_id}.nii"},
        {"volumes": IDS},
        {"ordered": True},
        {"missing": "drop"},
        {"mask": MASK},
        {"atlas": "atlas.nii.gz"},
        {"centres": "centres.csv"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_a_folder_or_a_file_of_arrays_says_itself_is_refused_beside_it(tmp_path, options):
    (name,) = options
    folder = write_study(with_space(), tmp_path / "s")
    with refused(f"s is a folder, which says itself what is what: leave out {name}"):
        read_study(folder, **options)
    if name not in ("mask", "atlas", "centres"):
        np.savez(tmp_path / "s.npz", **{key: getattr(study(), key) for key in ("exposure", "mediators", "outcome")})
        with refused(f"s.npz holds arrays, not a table: leave out {name}"):
            read_study(tmp_path / "s.npz", **options)


def test_a_file_of_arrays_takes_its_regions_from_one_source(tmp_path):
    with refused("one of them"):
        read_study(tmp_path / "s.npz", atlas=[1, 1, 2], centres="c.csv")


@pytest.mark.parametrize("field", ["exposure_name", "outcome_name", "confounder_names", "region_names"])
def test_a_name_that_no_file_can_hold_is_refused_before_anything_is_written(tmp_path, field):
    made = with_space(regions=np.where(np.arange(MASK.sum()) < 2, 1, 2))
    made = replace(made, confounders=np.arange(9.0)[:, None] ** 2, confounder_names=("age",))
    named, half = getattr(made, field), "left \ud800"
    wrong = (half, *named[1:]) if isinstance(named, tuple) else half
    with refused("'left \\ud800': not valid Unicode text (half of a surrogate pair)"):
        write_study(replace(made, **{field: wrong}), tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_the_description_of_a_study_is_plain(tmp_path):
    folder = write_study(with_space(), tmp_path / "s")
    assert json.loads((folder / "study.json").read_text())["exposure"] == "exposure"


@pytest.mark.realdata
def test_real_files_of_r_are_read(data_folder, tmp_path):
    folder = data_folder / "mediation"
    side = np.linspace(-1, 1, 20)
    points = np.array([(x, y) for y in side for x in side])
    made = study_of_r(read_r(folder / "one_region.rda")["one_region"], transposed=True, coordinates=points)
    assert repr(made) == "Study(300 subjects, 400 voxels, 2 confounders)"
    back = read_study(write_study(made, tmp_path / "s", four_d=True))
    assert np.array_equal(np.sort(back.mediators, axis=1), np.sort(made.mediators.astype(np.float32), axis=1))
    basis = read_r(folder / "basis_1region_p1600_L120.rds")
    assert basis["Phi_Q"][0].shape == (1600, 120)
    assert basis["elapsed"].item() > 1000
    assert read_r(folder / "basis_1region_p400.rds")["Phi_Q"][0].shape == (400, 120)
    assert read_r(folder / "HIMA_ContinuousOutcome.rda")["ContinuousOutcome"]["Mediator"].shape == (500, 100)
    assert len(read_r(folder / "bama.RData")["bama.data"]) == 1000

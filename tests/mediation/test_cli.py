"""`latticework mediate` from end to end: effects on stdout, the rest on stderr, and files that fit one another."""

from __future__ import annotations

import json
import shutil
from functools import partial

import numpy as np
import pytest

import latticework as lw
from latticework.mediation import BASMU, BIMA, BasisDecomposition, Prior, fitting, read_study, simulate, write_study
from latticework.mediation.images import read_images, read_map
from latticework.mediation.spaces import Space
from latticework.mediation.truth import read_truth

QUICK = ("--chains", 2, "--warmup", 20, "--draws", 20, "--jobs", 1)
SIZE = ("--subjects", 40, "--side", 6)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A simulated study as files, as `simulate` writes it."""
    from latticework.cli import main

    folder = tmp_path_factory.mktemp("simulated") / "study"
    assert main([str(word) for word in ("mediate", "simulate", "-o", folder, *SIZE, "--seed", 3)]) == 0
    return folder


@pytest.fixture(scope="module")
def saved(written, tmp_path_factory):
    """A model of that study, as `fit` saves it."""
    from latticework.cli import main

    folder = tmp_path_factory.mktemp("fitted") / "model"
    assert main([str(word) for word in ("mediate", "fit", written, "-o", folder, *QUICK)]) == 0
    return folder


@pytest.fixture
def refused(refused):
    return partial(refused, "mediate")


# simulate


def test_simulate_writes_a_study_and_its_truth_which_is_not_in_the_way(latticework, tmp_path):
    begin = ("mediate", "simulate", "-o", tmp_path / "study", *SIZE, "--confounding", "dense", "--seed", 4, "--json")
    ended = latticework(*begin)
    assert ended.status == 0
    expected = simulate(40, 6, "dense", 4)
    assert json.loads(ended.out) == {"NIE": expected.nie, "NDE": expected.nde, "TE": expected.te}
    assert "try: latticework mediate fit" in ended.err
    read = read_study(tmp_path / "study")
    np.testing.assert_allclose(read.mediators, expected.mediators, rtol=1e-6)
    np.testing.assert_array_equal(read.exposure, expected.exposure)
    truth = read_truth(tmp_path / "study", read.space)
    assert (truth.nie, truth.nde, truth.te, truth.n_voxels) == (expected.nie, expected.nde, expected.te, 36)
    for name in ("alpha", "beta", "nu"):
        np.testing.assert_allclose(getattr(truth, name), getattr(expected, name), rtol=1e-6)
    effect = read_map(tmp_path / "study" / "truth" / "effect.nii.gz", read.space)
    np.testing.assert_allclose(effect, expected.alpha * expected.beta, rtol=1e-6)
    about = json.loads((tmp_path / "study" / "truth" / "truth.json").read_text())
    assert (about["seed"], about["confounding"], about["subjects"], about["side"]) == (4, "dense", 40, 6)


def test_simulate_writes_over_no_folder(latticework, refused, tmp_path):
    begin = ("simulate", "-o", tmp_path / "study", *SIZE)
    (tmp_path / "study").mkdir()
    assert latticework("mediate", *begin).status == 0
    before = {path: path.read_bytes() for path in (tmp_path / "study").rglob("*.nii.gz")}
    assert "study holds other things, such as images: choose another folder" in refused(*begin, "--seed", 2)
    assert {path: path.read_bytes() for path in (tmp_path / "study").rglob("*.nii.gz")} == before
    assert not [path for path in tmp_path.iterdir() if path.name != "study"]


# fit


def test_options_of_fit_reach_the_model(latticework, written, tmp_path):
    folder = tmp_path / "model"
    options = "--model basmu --components 7 --direct-effect-sd 2.5 --inclusion 2,30 --propagate --seed 5"
    ended = latticework("mediate", "fit", written, "-o", folder, *QUICK, *options.split())
    assert ended.status == 0
    assert (
        f"{written}: 40 subjects, 36 voxels; exposure exposure, outcome outcome, confounders confounder_1" in ended.err
    )
    assert "7 components, which explain" in ended.err
    assert f"the model is in {folder}; try: latticework mediate report {folder}" in ended.err
    loaded = lw.load(folder)
    assert isinstance(loaded, BASMU)
    parameters = loaded.get_params(deep=False)
    assert parameters.pop("basis").get_params() == BasisDecomposition(n_components=7).get_params()
    assert parameters == {
        "n_chains": 2,
        "n_warmup": 20,
        "n_draws": 20,
        "prior": Prior(direct_effect_sd=2.5, inclusion=(2, 30)),
        "propagate": True,
        "n_jobs": None,  # as many as there are here, not where it was fitted
        "random_state": 5,
    }


def test_bima_takes_thresholds_a_kernel_and_the_priors_of_the_paper(latticework, written, tmp_path):
    options = "--model bima --threshold 0.1,0.2 --kernel modified_squared_exponential --components 8 --paper-prior"
    ended = latticework("mediate", "fit", written, "-o", tmp_path / "model", *QUICK, *options.split())
    assert ended.status == 0
    loaded = lw.load(tmp_path / "model")
    assert isinstance(loaded, BIMA)
    assert tuple(loaded.threshold) == (0.1, 0.2)
    assert (loaded.basis.kernel, loaded.basis.n_components, loaded.prior) == (
        "modified_squared_exponential",
        8,
        Prior.paper(),
    )
    again = latticework("mediate", "fit", written, "-o", tmp_path / "other", *QUICK, "--orthogonal", "yes")
    assert again.status == 0
    other = lw.load(tmp_path / "other")
    assert other.prior == Prior(orthogonal=True)
    assert Prior(**other.describe()["prior"]) == other.prior


def test_a_kernel_alone_changes_nothing_of_how_many_components_there_are(latticework, written, saved, tmp_path):
    for kernel in ("matern", "modified_squared_exponential"):
        ended = latticework("mediate", "fit", written, "-o", tmp_path / kernel, *QUICK, "--kernel", kernel)
        assert ended.status == 0
    weights = [(folder / "config.json").read_bytes() for folder in (saved, tmp_path / "matern")]
    assert weights[0] == weights[1]  # with the checksums of all else
    found = lw.load(tmp_path / "modified_squared_exponential")
    assert (found.basis.kernel, found.basis_.n_components) == ("modified_squared_exponential", 10)
    assert lw.load(saved).basis_.n_components == 10


def test_the_table_has_the_effects_and_json_the_diagnosis_too(latticework, written, saved, tmp_path):
    table = latticework("mediate", "report", saved)
    assert table.status == 0
    lines = table.out.splitlines()
    assert lines[0].split() == ["effect", "mean", "sd", "median", "lower", "upper", "P(>0)", "R-hat", "ESS"]
    assert [line.split("  ")[0] for line in lines[1:5]] == ["NIE", "NDE", "TE", "proportion mediated"]
    assert "prior's share of the split" in table.out
    assert "warning: " in table.err
    ended = latticework("mediate", "fit", written, "-o", tmp_path / "model", *QUICK, "--json")
    told = json.loads(ended.out)
    assert (told["class"], told["subjects"], told["voxels"], told["components"]) == ("BASMU", 40, 36, 10)
    assert [row["effect"] for row in told["effects"]] == ["NIE", "NDE", "TE", "proportion mediated"]
    model = lw.load(tmp_path / "model")
    assert told["effects"][0]["mean"] == pytest.approx(model.nie_.mean())
    assert told["effects"][3]["mean"] is None
    assert told["diagnosis"]["subjects"] == 40
    assert told["effects"] == json.loads(latticework("mediate", "report", saved, "--json").out)["effects"]


def test_a_table_of_participants_and_images_by_pattern_folder_and_volumes(latticework, written, tmp_path):
    words = ("--exposure", "exposure", "--outcome", "outcome", "--confounders", "confounder_1, confounder_2")
    begin = (
        "mediate",
        "fit",
        written / "participants.tsv",
        *words,
        "--mask",
        written / "mask.nii.gz",
        *QUICK,
        "--restart",
        "--json",
    )
    results = []
    for images in (written / "images", written / "images" / "{participant_id}.nii.gz"):
        ended = latticework(*begin, "--images", images, "-o", tmp_path / "model")
        assert ended.status == 0, ended.err
        results.append(ended.out)
    four = write_study(read_study(written), tmp_path / "four", four_d=True)
    ended = latticework(*begin, "--images", four / "mediators.nii.gz", "--volumes", four / "volumes.tsv", "-o",
                        tmp_path / "model")  # fmt: skip
    results.append(ended.out)
    ended = latticework(*begin, "--images", four / "mediators.nii.gz", "--ordered", "-o", tmp_path / "model")
    results.append(ended.out)
    results.append(latticework("mediate", "fit", written, "-o", tmp_path / "other", *QUICK, "--json").out)
    assert len(set(results)) == 1


def test_regions_come_from_an_atlas_or_from_centres(latticework, written, tmp_path, write):
    study = read_study(written)
    words = ("--exposure", "exposure", "--outcome", "outcome", "--images", written / "images", *QUICK)
    begin = ("mediate", "fit", written / "participants.tsv", "--mask", written / "mask.nii.gz", *words)
    centres = write("centres.csv", ["name,x,y,z", "left,-6,0,0", "right,6,0,0"])
    ended = latticework(*begin, "--centres", centres, "-o", tmp_path / "model")
    assert ended.status == 0, ended.err
    assert "36 voxels, 2 regions" in ended.err
    assert ended.out.splitlines()[0].split()[:2] == ["effect", "region"]
    assert [line.split()[1] for line in ended.out.splitlines()[5:]] == ["left", "right"]
    labels = np.where(study.space.coordinates()[:, 0] < 0, 1.0, 2.0)
    study.space.image(labels).to_filename(tmp_path / "atlas.nii.gz")
    ended = latticework(*begin, "--atlas", tmp_path / "atlas.nii.gz", "-o", tmp_path / "other")
    assert [line.split()[1] for line in ended.out.splitlines()[5:]] == ["1", "2"]


def test_a_file_of_arrays_and_a_table_of_mediators(latticework, tmp_path, write):
    study = simulate(40, 6, random_state=3)
    np.savez(
        tmp_path / "study.npz",
        **{name: getattr(study, name) for name in ("exposure", "mediators", "outcome", "confounders", "coordinates")},
    )
    ended = latticework("mediate", "fit", tmp_path / "study.npz", "-o", tmp_path / "model", *QUICK, "--json")
    assert ended.status == 0, ended.err
    known = [f"p{n},{study.exposure[n]},{study.outcome[n]}" for n in range(40)]
    people = write("people.csv", ["id,x,y", *known])
    rows = [",".join([f"p{n}", *map(str, row)]) for n, row in enumerate(study.mediators)]
    matrix = write("matrix.csv", [",".join(["id", *(f"m{v}" for v in range(36))]), *rows[::-1]])
    places = write("places.csv", ["x,y", *(f"{x},{y}" for x, y in study.coordinates)])
    words = ("--exposure", "x", "--outcome", "y", "--id-column", "id", "--images", matrix, "--coordinates", places)
    ended = latticework("mediate", "fit", people, "-o", tmp_path / "other", *words, *QUICK)
    assert ended.status == 0, ended.err
    assert "no confounders" in ended.err


def test_participants_who_lack_a_value_are_refused_or_left_out(latticework, refused, written, tmp_path):
    lines = (written / "participants.tsv").read_text().splitlines()
    cells = lines[1].split("\t")
    lines[1] = "\t".join([cells[0], "n/a", *cells[2:]])
    table = tmp_path / "participants.tsv"
    table.write_text("\n".join(lines) + "\n")
    words = ("--exposure", "exposure", "--outcome", "outcome", "--images", written / "images", *QUICK)
    begin = ("fit", table, "-o", tmp_path / "model", "--mask", written / "mask.nii.gz", *words)
    assert "sub-0001" in refused(*begin)
    ended = latticework("mediate", *begin, "--missing", "drop")
    assert ended.status == 0
    assert "39 subjects" in ended.err


@pytest.mark.parametrize(
    "options, told",
    [
        (("--threshold", 1), "--threshold is of --model bima"),
        (("--model", "bima", "--threshold", "1,2,3"), "expected a number, or two with a comma"),
        (("--model", "bima", "--threshold", "-1"), "threshold=-1"),
        (("--model", "bima", "--propagate"), "--propagate is of --model basmu"),
        (("--model", "bima", "--inclusion", 0.1), "--inclusion is of --model basmu"),
        (("--inclusion", "often"), "--inclusion 'often'"),
        (("--inclusion", "2,3_0"), "--inclusion '2,3_0'"),
        (("--inclusion", 1), "inclusion=1"),
        (("--direct-effect-sd", 0), "direct_effect_sd=0"),
        (("--components", 5, "--explained", 0.5), "--components and --explained"),
        (("--explained", 2), "explained=2"),
        (("--components", 99), "n_components=99"),
        (("--jobs", 0), "--jobs=0"),
        (("--mask", "mask.nii.gz"), "leave out --mask"),
        (("--exposure", "age", "--missing", "drop"), "leave out --exposure, --missing"),
        (("--atlas", "a.nii", "--centres", "b.csv"), "--atlas and --centres"),
        (("--page", "."), "--page . is a folder"),
    ],
)
def test_options_that_cannot_be_are_refused(latticework, written, tmp_path, options, told):
    ended = latticework("mediate", "fit", written, "-o", tmp_path / "model", *QUICK, *options)
    assert (ended.status, ended.out) == (2, "")
    assert told in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err
    assert not (tmp_path / "model").exists()


def test_options_are_looked_at_before_images_are_read(refused, tmp_path):
    for option, value in (("--threshold", "-1"), ("--draws", 3), ("--explained", 2)):
        told = refused("fit", tmp_path / "nothing", "-o", tmp_path / "model", "--model", "bima", option, value)
        assert option.strip("-") in told
    words = ("basis", tmp_path / "nothing.nii", "-o", tmp_path / "basis", "--explained")
    assert refused(*words, 2).startswith("explained=2")
    assert refused(*words, 0.5, "--components", 5).startswith("--components and --explained both say")
    words = (*words[:-1], "--atlas", "a.nii", "--centres", "b.csv")
    assert refused(*words) == "--atlas and --centres both tell regions: give one of them"


def test_studies_that_cannot_be_read_are_refused(refused, written, tmp_path, write):
    output = ("-o", tmp_path / "model")
    assert "there is no such file or folder" in refused("fit", tmp_path / "nothing", *output)
    assert "give --images, --exposure, --outcome" in refused("fit", written / "participants.tsv", *output)
    told = refused("fit", tmp_path, *output)
    assert "is no folder that write_study wrote" in told
    assert "give the table of participants" in told
    assert "leave out --outcome" in refused("fit", write("a.npz", b""), "--outcome", "y", *output)
    assert "a.npz" in refused("fit", write("a.npz", b"no"), *output)


def test_a_page_is_written_over_nothing_that_a_fit_reads(refused, tmp_path, write):
    output, file = ("-o", tmp_path / "model"), write("file.tsv", ["mine"])
    told = f"--page {file} is a file that is read: give the output another name"
    assert refused("fit", file, *output, "--page", file) == told
    for option in ("--images", "--mask", "--atlas", "--centres", "--coordinates", "--volumes"):
        assert refused("fit", tmp_path / "people.tsv", *output, option, file, "--page", file) == told


def test_a_page_is_written_over_nothing_in_a_folder_that_is_read(refused, written, tmp_path):
    output = ("-o", tmp_path / "model")
    assert "participants.tsv is a file of" in refused("fit", written, *output, "--page", written / "participants.tsv")
    image = next(written.rglob("sub-*.nii.gz"))
    images = str(image).replace(image.name, "{participant_id}.nii.gz")
    assert "is a file of" in refused("fit", tmp_path / "p.tsv", *output, "--images", images, "--page", image)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    assert "is a file of" in refused("report", tmp_path / "model", "--page", tmp_path / "model" / "config.json")


def test_what_cannot_be_written_is_refused_before_the_work(refused, written, tmp_path, write):
    file = write("file", ["mine"])
    assert "file" in refused("fit", written, "-o", file)
    assert "file" in refused("fit", written, "-o", tmp_path / "model", "--results", file / "results")
    assert "file" in refused("fit", written, "-o", tmp_path / "model", "--page", file / "page.html")
    assert "file" in refused("simulate", "-o", file / "study", *SIZE)
    assert "file" in refused("basis", written / "mask.nii.gz", "-o", file)


def test_maps_tables_draws_and_a_page_are_written_where_they_are_asked_for(latticework, refused, written, tmp_path):
    results = tmp_path / "some" / "results"
    beside = ("--results", results, "--page", tmp_path / "page.html")
    ended = latticework("mediate", "fit", written, "-o", tmp_path / "model", *QUICK, *beside)
    assert ended.status == 0, ended.err
    assert {"effects.csv", "effects.json", "draws.nc", "maps"} <= {path.name for path in results.iterdir()}
    model = lw.load(tmp_path / "model")
    effect, _ = read_images([results / "maps" / "effect_mean.nii.gz"], model.space_)
    np.testing.assert_allclose(effect[0], model.effect_, rtol=1e-6, atol=1e-7)
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")
    again = ("fit", written, "-o", tmp_path / "model", *QUICK)
    told = refused(*again)
    assert "holds a model (mediation.BASMU) already: choose another folder, or replace it with --restart" in told
    assert latticework("mediate", *again, "--seed", 1, "--restart").status == 0
    assert lw.load(tmp_path / "model").random_state == 1
    for words in ((*again, "--restart"), ("report", tmp_path / "model")):
        assert "results holds other things, such as draws.nc" in refused(*words, "--results", results)


def test_results_are_written_into_no_folder_of_the_model_or_the_page(latticework, refused, written, saved, tmp_path):
    (tmp_path / "x").mkdir()
    for output, results in (("x", "x"), ("x/model", "x"), ("x", "x/results"), ("y/../x", "x")):
        told = refused("fit", written, "-o", tmp_path / output, *QUICK, "--results", tmp_path / results)
        assert f"--results {tmp_path / results} is --output {tmp_path / output}, or in it or around it" in told
    for words in (("report", saved), ("fit", written, "-o", tmp_path / "model", *QUICK)):
        told = refused(*words, "--results", tmp_path / "x", "--page", tmp_path / "x" / "page.html")
        assert f"--page {tmp_path / 'x' / 'page.html'} is in --results {tmp_path / 'x'}" in told
    assert [path.name for path in tmp_path.rglob("*")] == ["x"]


def test_a_folder_that_is_filled_meanwhile_gets_no_results(latticework, saved, tmp_path, monkeypatch):
    def fill(*_):
        (tmp_path / "results").mkdir()
        (tmp_path / "results" / "notes.txt").write_text("mine")

    monkeypatch.setattr("latticework.mediation.export.write_results", fill)
    ended = latticework("mediate", "report", saved, "--results", tmp_path / "results")
    assert ended.status == 2
    assert "results holds other things, such as notes.txt: choose another folder, or empty it" in ended.err
    assert [path.name for path in tmp_path.rglob("*")] == ["results", "notes.txt"]


# report, bias, basis


def test_report_shows_the_truth_and_what_other_priors_say(latticework, refused, written, saved, tmp_path):
    ended = latticework("mediate", "report", saved, "--truth", written, "--sensitivity", "--page", tmp_path / "a.html")
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    truth = simulate(40, 6, random_state=3)
    assert lines[0].split()[-1] == "truth"
    assert float(lines[1].split()[-1]) == pytest.approx(truth.nie, rel=1e-3)
    (head,) = [line for line in lines if line.startswith("sd of NDE")]
    assert "as fitted" in lines[lines.index(head) + 1]
    told = json.loads(latticework("mediate", "report", saved, "--truth", written / "truth", "--json").out)
    assert told["effects"][1]["truth"] == 2
    assert "there is no truth of a simulated study" in refused("report", saved, "--truth", tmp_path)
    shutil.copytree(written / "truth", tmp_path / "truth")
    (tmp_path / "truth" / "truth.json").write_text('{"kind": "latticework mediation truth", "nie": "a"}')
    assert "truth.json is damaged" in refused("report", saved, "--truth", tmp_path)


def test_chains_run_in_as_many_processes_as_are_asked_for(latticework, refused, written, tmp_path, monkeypatch):
    jobs = []
    for name, draw in (("draw", fitting.draw), ("draw_again", fitting.draw_again)):
        monkeypatch.setattr(fitting, name, lambda *given, draw=draw: jobs.append(given[-1].n_jobs) or draw(*given))
    saved = tmp_path / "model"
    assert latticework("mediate", "fit", written, "-o", saved, *QUICK, "--jobs", 2).status == 0
    one, two = (latticework("mediate", "report", saved, "--sensitivity", *options) for options in ((), ("--jobs", 2)))
    assert jobs == [2, 1, 2]
    assert one.out == two.out
    assert (one.status, two.status) == (0, 0)
    assert refused("report", saved, "--sensitivity", "--jobs", 0).startswith("--jobs=0: expected a number of")


def test_bias_tells_what_a_confounder_would_do(latticework, refused, written, saved):
    found = json.loads(latticework("mediate", "bias", saved, "--json").out)
    model = lw.load(saved)
    bias = model.bias_if_omitted()
    assert found["NIE"]["mean"] == pytest.approx(bias.nie["mean"])
    assert found["tipping"] == pytest.approx(bias.tipping)
    ended = latticework("mediate", "bias", saved, "--nu", written / "truth" / "nu.nii.gz", "--json")
    given = model.bias_if_omitted(simulate(40, 6, random_state=3).nu)
    assert json.loads(ended.out)["NIE"]["mean"] == pytest.approx(given.nie["mean"], rel=1e-5)
    assert "tipping factor" in latticework("mediate", "bias", saved).out
    assert "nothing.nii.gz" in refused("bias", saved, "--nu", written / "nothing.nii.gz")


def test_basis_says_how_much_it_explains(latticework, refused, written, saved, tmp_path, write):
    ended = latticework("mediate", "basis", written / "mask.nii.gz", "-o", tmp_path / "basis", "--explained", 0.5)
    assert ended.status == 0
    found = lw.load(tmp_path / "basis")
    assert isinstance(found, BasisDecomposition)
    assert ended.out.splitlines()[1].split() == ["all", "36", str(found.n_components_), f"{found.explained_:.3f}"]
    centres = write("centres.csv", ["name,x,y,z", "left,-6,0,0", "right,6,0,0"])
    words = ("basis", written / "mask.nii.gz", "-o", tmp_path / "basis")
    told = refused(*words)
    assert "holds a model (mediation.BasisDecomposition) already: choose another folder, or replace it" in told
    words = (*words, "--restart")
    told = json.loads(latticework("mediate", *words, "--centres", centres, "--components", 9, "--json").out)
    assert [(row["region"], row["voxels"]) for row in told["regions"]] == [("left", 18), ("right", 18)]
    assert told["components"] == 9
    space = read_study(written).space
    labels = np.where(np.arange(36) < 12, 0.0, 1.0 + (np.arange(36) % 2))
    space.image(labels).to_filename(tmp_path / "atlas.nii.gz")
    ended = latticework("mediate", *words, "--atlas", tmp_path / "atlas.nii.gz")
    assert "12 voxels are in no region: left out" in ended.err
    assert ended.out.splitlines()[-1].split()[:3] == ["in", "all", "24"]
    space.image(np.zeros(36)).to_filename(tmp_path / "empty.nii.gz")
    assert "no voxel of" in refused(*words, "--atlas", tmp_path / "empty.nii.gz")
    assert "holds a BasisDecomposition, not a BIMA or BASMU" in refused("bias", tmp_path / "basis")


def test_basis_of_a_whole_brain_says_how_it_can_be_had_and_centres_of_one_name_stay_apart(
    latticework, refused, written, tmp_path, write
):
    Space.of(np.ones((26, 26, 26), bool)).image(np.ones(26**3)).to_filename(tmp_path / "brain.nii.gz")
    told = refused("basis", tmp_path / "brain.nii.gz", "-o", tmp_path / "basis")
    assert "5,273 components of a region of 17,576 voxels" in told
    assert "--components 500" in told
    centres = write("centres.csv", ["name,x,y,z", "DMN,-6,0,0", "DMN,6,0,0"])
    words = ("basis", written / "mask.nii.gz", "-o", tmp_path / "basis", "--centres", centres, "--json")
    rows = json.loads(latticework("mediate", *words).out)["regions"]
    assert [(row["region"], row["voxels"]) for row in rows] == [("DMN (1)", 18), ("DMN (2)", 18)]


def test_help_names_the_verbs(latticework):
    ended = latticework("mediate", "--help")
    assert ended.status == 0
    assert all(verb in ended.out for verb in ("fit", "report", "simulate", "bias", "basis"))

import json
from copy import deepcopy
from dataclasses import replace
from functools import partial

import fakes
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import latticework as lw
from latticework.core import State, estimator, read_folder, tensors, write_folder
from latticework.core.checks import flag
from latticework.core.version import is_newer

pytestmark = pytest.mark.usefixtures("fakes_registered")

POINTS = np.random.default_rng(0).normal(size=(10, 2))


def test_config_says_what_was_saved(tmp_path):
    fakes.NeighbourBank(n_neighbors=2, random_state=np.int64(0)).fit(POINTS).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_bytes())
    assert config["kind"] == "model"
    assert config["class"] == "fake.NeighbourBank"
    assert config["latticework"] == lw.__version__
    expected = {"n_neighbors": 2, "bank_size": 256, "contamination": 0.1, "random_state": 0}
    assert config["parameters"] == expected


def test_config_dataclass_comes_back_as_one(tmp_path):
    config = fakes.LexiconConfig(lowercase=False, limits=(2, 3))
    fakes.Lexicon(config=config).fit(["Ein Haus"]).save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_bytes())["parameters"]["config"]["lowercase"] is False
    loaded = fakes.Lexicon.load(tmp_path)
    assert loaded.config == config
    assert isinstance(loaded.config, fakes.LexiconConfig)


def test_absent_config_stays_absent(tmp_path):
    fakes.Lexicon().fit(["Ein Haus"]).save(tmp_path)
    assert lw.load(tmp_path).config is None


def test_config_of_another_version_of_the_class_is_refused(tmp_path, monkeypatch):
    @fakes.dataclass
    class Renamed:
        lower: bool = True

    fakes.Lexicon(config=fakes.LexiconConfig()).fit(["Ein Haus"]).save(tmp_path)
    monkeypatch.setattr(fakes.Lexicon, "config_class", Renamed)
    with pytest.raises(lw.InputError, match=r"does not hold a Lexicon that can be rebuilt.*lowercase"):
        lw.load(tmp_path)


def unknown_option(header):
    header["parameters"]["config"]["stemming"] = True


def unknown_choice(header):
    header["parameters"]["config"]["lowercase"] = "never"


def unknown_class(header):
    header["class"] = "fake.Thesaurus"


@pytest.mark.parametrize("version", ["0.2.0", "0.10.0rc1", "1.0", "0.1.1.dev3"])
@pytest.mark.parametrize(
    "changed, told",
    [
        (unknown_option, r"does not hold a Lexicon that can be rebuilt \(.*'stemming'.*\)"),
        (unknown_choice, "lowercase='never': expected True or False"),
        (unknown_class, "there is no estimator 'fake.Thesaurus'; .* not installed[?]"),
    ],
)
def test_what_only_a_later_release_can_read_is_said_to_be_of_it(tmp_path, monkeypatch, changed, told, version):
    @fakes.dataclass(frozen=True)
    class Checked(fakes.LexiconConfig):
        def __post_init__(self):
            flag("lowercase", self.lowercase)

    monkeypatch.setattr(fakes.Lexicon, "config_class", Checked)
    monkeypatch.setattr(estimator, "VERSION", "0.1.0")
    monkeypatch.setattr(estimator, "is_newer", partial(is_newer, than="0.1.0"))
    fakes.Lexicon(config=Checked()).fit(["Ein Haus"]).save(tmp_path)
    header, state = read_folder(tmp_path)
    assert lw.load(tmp_path).words_ == ["ein", "haus"]
    for written, ends in ((version, f"; Latticework {version} wrote it, this is 0.1.0: pip install .*"), ("0.1.0", "")):
        write_folder(tmp_path, header={**header, "latticework": written}, state=state)
        assert lw.load(tmp_path).words_ == ["ein", "haus"]
        other = deepcopy(header)
        changed(other)
        write_folder(tmp_path, header={**other, "latticework": written}, state=state)
        with pytest.raises(lw.InputError, match=f"{told}{ends}$"):
            lw.load(tmp_path)


@pytest.mark.parametrize(
    "version", [None, 2, "", "2", "x.y", "1.2.3.4.5", "0.1.0", "0.1", "0.1.0.0", "0.0.9", "9" * 10 + ".0"]
)
def test_what_is_no_later_release_is_not_taken_for_one(version):
    assert not is_newer(version, than="0.1.0")
    assert not is_newer("1.0.0", than="0+unknown")


@pytest.mark.parametrize("random_state", [np.random.RandomState(0), "0", 1.0])
def test_random_state_that_is_more_than_a_seed_cannot_be_saved(tmp_path, random_state):
    model = fakes.NeighbourBank(random_state=0).fit(POINTS).set_params(random_state=random_state)
    with pytest.raises(lw.InputError, match=r"random_state is a .*use None or an int"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("value", [object(), print, {1, 2}, fakes.LexiconConfig()])
def test_parameters_that_are_not_plain_cannot_be_saved(tmp_path, value):
    model = fakes.NeighbourBank().fit(POINTS).set_params(contamination=value)
    with pytest.raises(lw.InputError, match=r"NeighbourBank\.parameters\.contamination is a"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_path_is_saved_as_text(tmp_path):
    model = fakes.NeighbourBank().fit(POINTS).set_params(contamination=tmp_path / "words.txt")
    model.save(tmp_path / "model")
    assert lw.load(tmp_path / "model").contamination == str(tmp_path / "words.txt")


def test_parameters_that_the_state_keeps_are_not_in_the_header(tmp_path, monkeypatch):
    monkeypatch.setattr(fakes.NeighbourBank, "parameters_in_state", ("bank_size",))
    model = fakes.NeighbourBank(bank_size=7).fit(POINTS)
    model.save(tmp_path)
    assert "bank_size" not in json.loads((tmp_path / "config.json").read_bytes())["parameters"]
    assert "bank_size" not in model.describe()["parameters"]
    assert lw.load(tmp_path).bank_size == 256  # this class's `from_state` does not take it back


def test_fields_of_a_config_that_belong_to_a_machine_are_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(fakes.Lexicon, "of_machines_in_config", ("limits",))
    model = fakes.Lexicon(config=fakes.LexiconConfig(lowercase=False, limits=(2, 3))).fit(["Ein Haus"])
    model.save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_bytes())["parameters"]["config"] == {"lowercase": False}
    assert model.describe()["parameters"]["config"] == {"lowercase": False}
    assert lw.load(tmp_path).config == fakes.LexiconConfig(lowercase=False)


def test_a_device_is_refused_by_a_class_that_has_none(tmp_path, monkeypatch):
    fakes.NeighbourBank().fit(POINTS).save(tmp_path)
    monkeypatch.setattr(estimator, "check_device", lambda device: device)  # as where there is one
    with pytest.raises(lw.InputError, match=r"device='cuda': NeighbourBank has no device, it computes on the CPU"):
        lw.load(tmp_path, device="cuda")


def test_parameters_keep_their_types(tmp_path):
    values = {"n_neighbors": 1, "bank_size": (1, (2.0, [None])), "contamination": float("inf")}
    model = fakes.NeighbourBank().fit(POINTS).set_params(**values)
    model.save(tmp_path)
    assert lw.load(tmp_path).get_params() == {**values, "random_state": None}


def test_unfitted_estimator_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        fakes.NeighbourBank().save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_subclass_of_a_registered_class_is_not_saved_as_its_parent(tmp_path):
    class Changed(fakes.NeighbourBank):
        pass

    with pytest.raises(lw.InputError, match="Changed is not declared by any capability"):
        Changed().fit(POINTS).save(tmp_path / "model")


def test_load_accepts_subclasses_of_the_class_asked(tmp_path):
    fakes.Twofold().fit(POINTS).save(tmp_path)
    assert type(fakes.NeighbourBank.load(tmp_path)) is fakes.Twofold
    with pytest.raises(lw.InputError, match="holds Twofold, not Lexicon"):
        fakes.Lexicon.load(tmp_path)


def test_one_folder_can_hold_one_model_after_another(tmp_path):
    fakes.Twofold().fit(POINTS).save(tmp_path)
    fakes.Lexicon().fit(["ein Haus"]).save(tmp_path)
    assert lw.load(tmp_path).words_ == ["ein", "haus"]
    assert len(list(tmp_path.iterdir())) == 2


UNUSABLE = [KeyError("x"), ValueError("shape"), RuntimeError("size mismatch"), ZeroDivisionError(), MemoryError()]


@pytest.mark.parametrize("error", UNUSABLE, ids=repr)
def test_state_the_class_cannot_use_is_refused(tmp_path, monkeypatch, error):
    def fail(self, state):
        raise error

    fakes.Lexicon().fit(["ein Haus"]).save(tmp_path)
    monkeypatch.setattr(fakes.Lexicon, "from_state", fail)
    with pytest.raises(lw.InputError, match="does not hold a Lexicon that can be rebuilt"):
        lw.load(tmp_path)


@pytest.mark.parametrize("moment", ["read_folder", "digest"])
def test_model_that_is_replaced_while_it_is_loaded_is_loaded_anew(tmp_path, monkeypatch, moment):
    old, new = (fakes.NeighbourBank(random_state=0).fit(points) for points in (POINTS, POINTS + 1))
    old.save(tmp_path)
    place, saved = (estimator, tensors)[moment == "digest"], []
    usual = getattr(place, moment)

    def overtaken(path):
        if saved:
            return usual(path)
        saved.append(path)
        if moment == "digest":  # of a file that is there no more
            new.save(tmp_path)
        found = usual(path)
        new.save(tmp_path)
        return found

    monkeypatch.setattr(place, moment, overtaken)
    assert np.array_equal(lw.load(tmp_path).bank_, new.bank_)
    assert saved


def test_damaged_model_is_tried_once(tmp_path, monkeypatch):
    fakes.NeighbourBank(random_state=0).fit(POINTS).save(tmp_path)
    [path] = tmp_path.glob("*.safetensors")
    path.unlink()
    usual, tries = estimator.read_folder, []
    monkeypatch.setattr(estimator, "read_folder", lambda folder: tries.append(folder) or usual(folder))
    with pytest.raises(lw.InputError, match="is missing"):
        lw.load(tmp_path)
    assert len(tries) == 1


def test_a_missing_library_is_reported_as_such_when_loading(tmp_path, monkeypatch):
    def fail(self, state):
        raise lw.MissingExtraError("needs x")

    fakes.Lexicon().fit(["ein Haus"]).save(tmp_path)
    monkeypatch.setattr(fakes.Lexicon, "from_state", fail)
    with pytest.raises(lw.MissingExtraError):
        lw.load(tmp_path)


def test_description_holds_the_parameters():
    config = replace(fakes.LexiconConfig(), lowercase=False)
    described = fakes.Lexicon(config=config).describe()
    assert described == {"parameters": {"config": {"lowercase": False, "limits": (1, 100)}}}


def test_subclass_must_say_how_it_is_saved(tmp_path, monkeypatch):
    class Silent(lw.Estimator):
        pass

    with pytest.raises(NotImplementedError, match="Silent"):
        Silent().to_state()
    with pytest.raises(NotImplementedError, match="Silent"):
        Silent().from_state(State())

import fakes
import pytest

import latticework as lw
from latticework.core import Capability, capability
from latticework.core.capability import capabilities, estimator_class, estimator_key, register, resolve


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a distribution declaring capabilities, for one test."""
    monkeypatch.syspath_prepend(tmp_path)

    def run(name, module, text, **entries):
        information = tmp_path / f"{name}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{entry} = {value}\n" for entry, value in entries.items()]
        (information / "entry_points.txt").write_text(f"[{capability.GROUP}]\n{''.join(lines)}")
        (tmp_path / f"{module}.py").write_text(text)
        capability._installed.cache_clear()

    yield run
    capability._installed.cache_clear()


DECLARATION = """
from latticework.core import Capability
capability = Capability(name={name!r}, summary="from another package", estimators=("{module}:Model",))
class Model: pass
"""


def test_another_package_can_add_a_capability(install):
    install("zebra", "zebra_tool", DECLARATION.format(name="zebra", module="zebra_tool"), zebra="zebra_tool:capability")
    assert "zebra" in [found.name for found in capabilities()]
    assert estimator_class("zebra.Model") is resolve("zebra_tool:Model")


def test_capabilities_come_sorted_by_name(install):
    for name in ("zebra", "aardvark"):
        text = DECLARATION.format(name=name, module=f"{name}_tool")
        install(name, f"{name}_tool", text, **{name: f"{name}_tool:capability"})
    names = [found.name for found in capabilities()]
    assert names == sorted(names)
    assert {"zebra", "aardvark"} <= set(names)


BROKEN = {
    "raises": "raise RuntimeError('out of order')",
    "lacks a library": "import no_such_library",
    "says something else": "capability = 3",
    "is named otherwise": DECLARATION.format(name="other", module="broken_tool"),
    "does not parse": "capability =",
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_package_does_not_take_the_others_down(install, reason):
    install("good", "good_tool", DECLARATION.format(name="good", module="good_tool"), good="good_tool:capability")
    install("broken", "broken_tool", BROKEN[reason], broken="broken_tool:capability")
    with pytest.warns(RuntimeWarning, match=r"the capability 'broken' of broken cannot be used"):
        names = [found.name for found in capabilities()]
    assert "good" in names
    assert "broken" not in names


def test_two_capabilities_of_one_name_are_an_error():
    twice = Capability(name="twice", summary="")
    with register(twice), register(twice), pytest.raises(RuntimeError, match="two capabilities are called 'twice'"):
        capabilities()


def test_registration_ends_with_its_context():
    with register(fakes.CAPABILITY) as registered:
        assert registered in capabilities()
    assert registered not in capabilities()


@pytest.mark.parametrize("reference", ["os", "os:", ":path", ""])
def test_what_is_no_reference_is_an_error(reference):
    with pytest.raises(ValueError, match="module:attribute"):
        resolve(reference)


def test_estimators_are_found_under_their_keys():
    with register(fakes.CAPABILITY):
        assert estimator_class("fake.NeighbourBank") is fakes.NeighbourBank
        assert estimator_key(fakes.NeighbourBank) == "fake.NeighbourBank"


def test_unknown_estimators_are_refused_and_the_known_named():
    class NeighbourBank(fakes.NeighbourBank):
        """Only its name is known."""

    with register(fakes.CAPABILITY):
        with pytest.raises(lw.InputError, match=r"no estimator 'fake\.Other'.*fake\.Lexicon, fake\.NeighbourBank"):
            estimator_class("fake.Other")
        with pytest.raises(lw.InputError, match="not declared by any capability"):
            estimator_key(NeighbourBank)

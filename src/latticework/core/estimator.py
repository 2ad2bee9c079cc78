"""What is true of every estimator: parameters, `fit`, and a folder it is saved to and loaded from."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from latticework.core.capability import estimator_class, estimator_key
from latticework.core.errors import InputError
from latticework.core.hardware import check_device
from latticework.core.persistence import CONFIG, State, read_folder, write_folder
from latticework.core.processes import is_first, wait_for_others
from latticework.core.values import encode
from latticework.core.version import VERSION, is_newer
from latticework.core.words import cut, shortened

OF_MACHINES: Final = ("device", "n_jobs")  # parameters that belong to a machine, not to a model: they are not saved
ATTEMPTS: Final = 4  # to load a model that other processes save meanwhile


class Estimator(BaseEstimator):
    """Base of all estimators: scikit-learn's parameters, and a folder instead of a pickle.

    A subclass stores its keyword parameters in `__init__` and nothing else, learns in `fit`, which returns `self`,
    gives what was learned names that end in an underscore, and implements `to_state` and `from_state`. What else it
    can do (`predict`, `transform`, `score`, ...) it adds itself. If it can compute elsewhere than on the CPU it has a
    parameter `device`, a name for `core.hardware.resolve_device`, and if it can in several processes `n_jobs`, None by
    default, for `core.checks.n_jobs`. Neither is ever saved: they belong to a machine, not to a model.

    Attributes
    ----------
    config_class : type or None
        The dataclass of a constructor parameter called `config`, if there is one.
    of_machines_in_config : tuple of str
        Fields of that dataclass that belong to a machine too, such as a folder for temporary files: they have defaults,
        and are not saved either.
    parameters_in_state : tuple of str
        Constructor parameters that `to_state` keeps and `from_state` takes back, such as large ones.
    """

    config_class: ClassVar[type[Any] | None] = None
    of_machines_in_config: ClassVar[tuple[str, ...]] = ()
    parameters_in_state: ClassVar[tuple[str, ...]] = ()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Save the fitted estimator; a crash leaves what the folder held before, or the whole of the new.

        Under `torchrun` all processes must call it: the first one writes, and the others wait until it has if they have
        trained together.

        Parameters
        ----------
        folder : path-like
            Created if it does not exist; a model it holds is replaced.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `fit` was not called.
        InputError
            If a parameter is more than a plain value (such as a `random_state` that is a generator), or the folder
            holds something else.
        """
        save_estimator(self, folder)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> Self:
        """Load an estimator of this class.

        Parameters
        ----------
        folder : path-like
            Where one was saved.
        device : str
            As of `load_estimator`.

        Raises
        ------
        InputError
            If the folder holds an estimator of another class; or as `load_estimator`.
        """
        estimator: Self = read_saved(folder, device=device, expected=cls).estimator
        return estimator

    def describe(self) -> dict[str, object]:
        """Return its parameters and, once it is fitted, what it says of itself: plain values, which `show` prints."""
        try:
            check_is_fitted(self)
        except NotFittedError:
            return {"parameters": plain_parameters(self)}
        return {"parameters": plain_parameters(self), **self._about()}

    def _about(self) -> dict[str, object]:
        """Return what is worth knowing about a fitted estimator, as plain values; a subclass says it."""
        return {}

    def to_state(self) -> State:
        """Return everything that was learned."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is saved")

    def from_state(self, state: State) -> None:
        """Take back everything that was learned."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is loaded")


def save_estimator(estimator: Estimator, folder: str | os.PathLike[str]) -> None:
    """Save a fitted estimator of a registered class; see `Estimator.save`."""
    check_is_fitted(estimator)
    header = header_of(estimator)  # refuse odd parameters before anything else is done
    if is_first():  # under torchrun one process writes, and all wait until it has
        write_folder(folder, header=header, state=estimator.to_state())
    wait_for_others()


def header_of(estimator: Estimator) -> dict[str, Any]:
    """What a folder says of an estimator: its class and its parameters.

    Raises
    ------
    InputError
        If a folder cannot hold it: the class is not registered, or a parameter more than a plain value.
    """
    key = estimator_key(type(estimator))
    random_state = estimator.get_params(deep=False).get("random_state")
    if not (random_state is None or isinstance(random_state, Integral)):
        kind = type(random_state).__name__
        raise InputError(f"random_state is a {kind}, which cannot be saved: use None or an int")
    parameters = plain_parameters(estimator)
    header = {"kind": "model", "class": key, "latticework": VERSION, "parameters": parameters}
    encode(header, type(estimator).__name__)
    return header


def load_estimator(folder: str | os.PathLike[str], *, device: str = "auto") -> Any:
    """Load a saved estimator of whatever registered class it is.

    Parameters
    ----------
    folder : path-like
        Where it was saved.
    device : str
        Its parameter `device`, whatever it was fitted on: "auto", the accelerator of this machine if there is one, else
        the CPU; or "cpu", "cuda", "cuda:1", "mps". An estimator without that parameter takes "auto" and "cpu".

    Returns
    -------
    Estimator
        Fitted, and equal to the one that was saved but for its device and, by default again, its number of processes.

    Raises
    ------
    InputError
        If the folder is missing, damaged, foreign, of a newer format or release that cannot be read, or of a class that
        is not registered; before that if there is no such device on this machine.
    """
    return read_saved(folder, device=device).estimator


@dataclass(frozen=True)
class Saved:
    """What was read of a folder at one time: several reads could meet a model that another process saves meanwhile.

    Attributes
    ----------
    header
        What the folder says it holds.
    state
        What was learned.
    estimator
        The estimator that has learned it.
    """

    header: dict[str, Any]
    state: State
    estimator: Any


def read_saved(
    folder: str | os.PathLike[str],
    *,
    device: str = "auto",
    expected: type[Estimator] = Estimator,
    check: Callable[[dict[str, Any], State], None] | None = None,
) -> Saved:
    """Load a saved estimator, with what its folder says.

    Parameters
    ----------
    folder, device
        As of `load_estimator`.
    expected
        The class that it is of.
    check
        Raises an error unless a header and a state are what is wanted, before an estimator is built.

    Raises
    ------
    InputError
        If the folder holds an estimator of another class; as `check`; or as `load_estimator`.
    """
    check_device(device)
    folder = Path(folder)
    for _ in range(ATTEMPTS):
        before = _version(folder)
        try:
            return _load_once(folder, device, expected, check)
        except InputError:
            if _version(folder) == before:
                raise
    return _load_once(folder, device, expected, check)


def _version(folder: Path) -> tuple[int, int] | None:
    """What changes when another process saves into a folder, and removes the files that were to be read."""
    try:
        about = (folder / CONFIG).stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns


def _load_once(
    folder: Path, device: str, expected: type[Estimator], check: Callable[[dict[str, Any], State], None] | None
) -> Saved:
    header, state = read_folder(folder)
    if check is not None:
        check(header, state)
    kind, key, parameters = header.get("kind"), header.get("class"), header.get("parameters")
    if kind != "model":
        raise InputError(f"{folder} holds a {cut(str(kind), 60)}, not a model")
    if not (isinstance(key, str) and isinstance(parameters, dict)):
        raise InputError(f"{folder} does not say which estimator it holds")
    try:
        cls = estimator_class(key)
    except InputError as error:
        raise InputError(f"{folder}: {error}{_of_later(header)}") from error
    if not issubclass(cls, expected):
        raise InputError(f"{folder} holds {cls.__name__}, not {expected.__name__}")
    try:
        estimator = _build(cls, parameters, device)
        estimator.from_state(state)
    except InputError as error:
        if str(folder) in str(error) or str(folder.absolute()) in str(error):
            raise
        raise InputError(f"{folder}: {error}{_of_later(header)}") from error
    except (LookupError, ArithmeticError, TypeError, ValueError, AttributeError, RuntimeError, MemoryError) as error:
        found = f"does not hold a {cls.__name__} that can be rebuilt ({shortened(error, most=200)})"
        raise InputError(f"{folder} {found}{_of_later(header)}") from error
    return Saved(header, state, estimator)


def _of_later(header: dict[str, Any]) -> str:
    """What an error adds where a later release wrote the model, which may have what this one does not know."""
    version = header.get("latticework")
    if not is_newer(version):
        return ""
    return f"; Latticework {cut(str(version), 40)} wrote it, this is {VERSION}: pip install --upgrade latticework"


def plain_parameters(estimator: Estimator) -> dict[str, Any]:
    """Return constructor parameters but those of machines and in the state; a dataclass is a dict."""
    given: dict[str, Any] = estimator.get_params(deep=False)
    left_out = (*OF_MACHINES, *estimator.parameters_in_state)
    parameters = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in given.items()
        if name not in left_out
    }
    config = parameters.get("config")
    if estimator.config_class and isinstance(config, estimator.config_class):
        names = [field.name for field in dataclasses.fields(config)]
        kept = [name for name in names if name not in estimator.of_machines_in_config]
        parameters["config"] = {name: getattr(config, name) for name in kept}
    return parameters


def _build(cls: type[Estimator], parameters: dict[str, Any], device: str) -> Estimator:
    config = parameters.get("config")
    if cls.config_class and isinstance(config, dict):
        parameters = {**parameters, "config": cls.config_class(**config)}
    estimator = cls(**{name: value for name, value in parameters.items() if name not in OF_MACHINES})
    if "device" in estimator.get_params(deep=False):
        estimator.set_params(device=device)
    elif device not in ("auto", "cpu"):
        raise InputError(f"device={device!r}: {cls.__name__} has no device, it computes on the CPU")
    return estimator

"""`latticework show MODEL`: what a saved model is."""

from __future__ import annotations

from latticework.core.commands import Json, Model, print_result


def show(model: Model, as_json: Json = False) -> None:
    """Print what a saved model is.

    Its class, the version that wrote it, its parameters, and what it says of itself.
    """
    from latticework.core.estimator import load_estimator
    from latticework.core.persistence import read_folder

    estimator = load_estimator(model, device="cpu")
    header, _ = read_folder(model)
    about = {"class": header["class"], "latticework": header["latticework"]}
    print_result(about | estimator.describe(), as_json=as_json)

"""`latticework show MODEL`: what a saved model is."""

from __future__ import annotations

from latticework.core.commands import Json, Model, print_result


def show(model: Model, as_json: Json = False) -> None:
    """Print what a saved model is.

    Its class, the version that wrote it, its parameters, and what it says of itself.
    """
    from latticework.core.estimator import read_saved

    saved = read_saved(model, device="cpu")
    about = {"class": saved.header["class"], "latticework": saved.header["latticework"]}
    print_result(about | saved.estimator.describe(), as_json=as_json)

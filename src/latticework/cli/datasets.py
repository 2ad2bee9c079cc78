"""`latticework datasets`: the public data sets that the capabilities know, and where their files are."""

from __future__ import annotations

from typing import Annotated

import typer

from latticework.core.commands import Json, print_json, print_result
from latticework.core.errors import InputError


def datasets(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One data set.", show_default=False)] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch the files of NAME that are not here, into the cache.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the public data sets, or show one.

    One is shown with its source, its licence and its files, which are looked for under LATTICEWORK_DATA and in the
    cache. Nothing is downloaded unless asked for.
    """
    from latticework.core import datasets as registry

    if name is None:
        if download:
            raise InputError("--download needs the NAME of a data set")
        known = [registry.describe(known) for known in registry.names()]
        if as_json:
            print_json(known)
        else:
            print_result({about["name"]: about["summary"] for about in known}, as_json=False)
        return
    if download:
        for file in registry.describe(name)["files"]:
            registry.path(name, file["path"], download=True)
    about = registry.describe(name)
    if as_json:
        print_json(about)
    else:
        shown = {key: about[key] for key in ("name", "summary", "source", "licence")}
        below = [str(root) for root in registry.roots()]
        if len(below) == 1:
            below.insert(0, f"a folder that {registry.DATA_VARIABLE} names")
        files = {
            file["path"]: file["found"] or f"not here: get {file['url'] or about['source']}" for file in about["files"]
        }
        print_result(shown | {"below": " or ".join(below), "files": files}, as_json=False)

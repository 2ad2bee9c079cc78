"""`latticework tour`: run every capability on data that it makes itself, and write one page with what each learned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latticework.cli.errors import say_traceback
from latticework.core.commands import Json, Output, Seed, check_page, print_result


def tour(
    context: typer.Context,
    output: Output = Path("tour.html"),
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="One stop, by the name of the capability's package; may be given again."),
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Run every capability there is, and write one page: tour.html, unless --output says otherwise.

    Each learns from data that it makes itself, small but real, and shows on the page what it learned. The page needs no
    network. A stop that fails is shown there and makes the exit status 1; the others still run.
    """
    from latticework import tour as tours

    # What would make the last step fail is found before minutes of training, not after.
    check_page(output, option="--output")
    outcomes = []
    for outcome in tours.run(tours.stops(only=only or ()), seed=seed):
        outcomes.append(outcome)
        if outcome.error is not None and context.obj.debug:
            say_traceback(outcome.error)
    tours.page(outcomes).write(output)
    stops = {
        outcome.name: {"seconds": round(outcome.seconds, 1)}
        | ({"failed": str(outcome.error)} if outcome.section is None else {"facts": dict(outcome.section.facts)})
        for outcome in outcomes
    }
    print_result({"page": output, "stops": stops}, as_json=as_json)
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)

"""`latticework mediate`: what a model found, as tables for people and as JSON."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from latticework.core.commands import print_json, print_result
from latticework.core.progress import message
from latticework.core.terminal import table_lines
from latticework.mediation.truth import Truth, true_effects

if TYPE_CHECKING:
    from latticework.mediation.diagnosis import Diagnosis
    from latticework.mediation.fitted import FittedModel

_HEADS: Final = {
    "mean": "mean", "sd": "sd", "median": "median", "lower": "lower", "upper": "upper",
    "p_positive": "P(>0)", "rhat": "R-hat", "ess": "ESS",
}  # fmt: skip


def effects_of(model: FittedModel, truth: Truth | None = None) -> list[dict[str, Any]]:
    """The rows of the table of effects, with the truth beside them where it is known."""
    rows: list[dict[str, Any]] = model.effects_table_.to_dict("records")
    if truth is not None:
        true = true_effects(truth)
        for row in rows:
            row["truth"] = math.nan if row["region"] else true[row["effect"]]
    return rows


def print_effects(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print effects, a row each, with columns aligned."""
    regions = any(row["region"] for row in rows)
    heads = ["effect", *(["region"] if regions else []), *_HEADS.values(), *(["truth"] if "truth" in rows[0] else [])]
    lines = []
    for row in rows:
        names = [row["effect"], *([row["region"]] if regions else [])]
        keys = [*_HEADS, *(["truth"] if "truth" in row else [])]
        lines.append([*names, *(_cell(key, row[key]) for key in keys)])
    print(*table_lines(heads, lines, texts=2 if regions else 1), sep="\n")


def diagnosis_told(found: Diagnosis) -> dict[str, object]:
    """The figures of a diagnosis for people."""
    told: dict[str, object] = {
        "R-hat": ", ".join(f"{name} {value:.3f}" for name, value in found.rhat.items()),
        "effective draws": ", ".join(f"{name} {value:.0f}" for name, value in found.ess.items()),
        "subjects": found.subjects,
        "components": found.components,
        "rank": f"{found.rank} of {found.unknowns} unknowns; with individual effects {found.rank_with_effects}",
        "equations": f"{found.equations}, condition number {found.condition:.3g}",
        "prior's share of the split": f"{found.prior_share:.0%}, standard deviation {found.prior_sd:.3g}",
    }
    if found.accepted is not None:
        told["accepted moves"] = ", ".join(f"{share:.0%}" for share in found.accepted)
    for name, (value, error) in found.unconfounded.items():
        told[f"{name}, unconfounded"] = f"{value:.4g}, standard error {error:.2g}"
    moved = found.moved
    told["moved by the confounder"] = f"{moved['mean']:.4g}, from {moved['lower']:.4g} to {moved['upper']:.4g}"
    return told


def print_model(
    model: FittedModel,
    *,
    as_json: bool,
    truth: Truth | None = None,
    sensitivity: Any = None,
    diagnosed: bool = False,
) -> None:
    """Print effects and, for people if it is asked for, the diagnosis; its warnings go to stderr."""
    rows, found = effects_of(model, truth), model.diagnose()
    if as_json:
        result = {"class": type(model).__name__} | model.describe() | {"effects": rows, "diagnosis": asdict(found)}
        if sensitivity is not None:
            result["sensitivity"] = sensitivity.to_dict("records")
        print_json(result)
    else:
        print_effects(rows)
        if diagnosed:
            print()
            print_result(diagnosis_told(found), as_json=False)
        if sensitivity is not None:
            print()
            _print_sensitivity(sensitivity)
    for warning in found.warnings:
        warnings.warn(warning, stacklevel=2)


def write_beside(
    model: FittedModel,
    *,
    name: str,
    results: Path | None,
    page: Path | None,
    sensitivity: Any = None,
    truth: Any = None,
) -> None:
    """Write a page, and maps, tables and draws into a new folder, where they are asked for."""
    if page is not None:
        from latticework.mediation.report import page as page_of

        page_of(model, sensitivity=sensitivity, truth=truth, name=name).write(page)
        message(f"the page is {page}")
    if results is not None:
        from latticework.core.folders import new_folder
        from latticework.mediation.export import write_results

        with new_folder(results) as temporary:
            write_results(model, temporary)
        what = "tables and draws" if model.space_ is None else "maps, tables and draws"
        message(f"{what} are in {results}")


def _print_sensitivity(table: Any) -> None:
    heads = ["sd of NDE", "inclusion", "", "NIE", "lower", "upper", "NDE", "lower", "upper", "TE", "R-hat"]
    keys = ["NIE", "NIE lower", "NIE upper", "NDE", "NDE lower", "NDE upper", "TE", "rhat"]
    lines = [
        [
            f"{row['direct_effect_sd']:g}",
            row["inclusion"],
            "as fitted" if row["fitted"] else "",
            *(_cell(key, row[key]) for key in keys),
        ]
        for row in table.to_dict("records")
    ]
    print(*table_lines(heads, lines, texts=3), sep="\n")


def _cell(key: str, value: float) -> str:
    if not math.isfinite(value):
        return "-"
    if key == "ess":
        return f"{value:.0f}"
    return f"{value:.3f}" if key in ("rhat", "p_positive") else f"{value:#.4g}".rstrip(".")

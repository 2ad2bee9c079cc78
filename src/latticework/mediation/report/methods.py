"""What an analysis rests on, and what was done in it: the methods section of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from latticework.core.words import counted
from latticework.mediation.prior import Prior
from latticework.mediation.report.findings import Names, allows_for_confounder
from latticework.pages.text import short

if TYPE_CHECKING:
    from latticework.mediation.diagnosis import Diagnosis
    from latticework.mediation.fitted import FittedModel


def assumptions(model: FittedModel) -> list[list[object]]:
    """What the figures rest on, and what would break it: two cells a row."""
    names = Names.of(model)
    known = ", ".join(names.confounders) or "none"
    rows: list[list[object]] = [
        ["No interference", "The exposure of one subject changes neither image nor outcome of another."],
        [
            "No confounder of the exposure is missing",
            f"Whatever changes {names.exposure} and also the image, or {names.outcome}, is among the confounders that "
            f"were measured: {known}. No model of this page can make up for one that is missing.",
        ],
    ]
    if allows_for_confounder(model):
        rows += [
            [
                "Confounders of image and outcome are smooth individual effects",
                "What makes the images of people with the same exposure and confounders differ may change the outcome "
                "in other ways than through the image, but only as far as it is smooth over each region and few voxels "
                "carry it. Confounding of another kind is not allowed for.",
            ],
            [
                "Individual effects have nothing in common with the exposure",
                "In this sample they are taken to be exactly uncorrelated with exposure and confounders."
                if model.prior_.orthogonal
                else "They are taken to be uncorrelated with exposure and confounders, but for chance in this sample.",
            ],
        ]
    else:
        rows.append(
            [
                "No confounder of image and outcome is missing",
                "Whatever changes both is among the confounders that were measured.",
            ]
        )
    rows += [
        [
            "No confounder of image and outcome comes from the exposure",
            f"Nothing that {names.exposure} changes is a common cause of image and outcome.",
        ],
        [
            "No interaction of exposure and image",
            f"The image changes {names.outcome} by as much whatever {names.exposure} is, and all effects are linear.",
        ],
        [
            "Across worlds",
            f"Natural effects compare the outcome under one exposure with the image under another, which nobody ever "
            f"has: no experiment on {names.exposure} alone can test this.",
        ],
        [
            "Effects are smooth within regions",
            "Between regions they have nothing to do with each other; what the components of the image do not show, "
            "the model does not see.",
        ],
    ]
    if allows_for_confounder(model):
        method, prior = model.method_, model.prior_
        kept = (
            []
            if method.propagate
            else ["That share is taken for known, so that intervals understate what is not known."]
        )
        if not (prior.orthogonal and not method.propagate):
            kept.append(
                "Stage two makes a step for each draw, not a chain of its own: that intervals cover as they should is "
                "not proven."
            )
        rows.append([f"Stage one hands on {method.handed_on(prior)}", " ".join(kept)])
    return rows


def done(model: FittedModel, told: Diagnosis, version: str) -> list[list[object]]:
    """What was done: two cells a row."""
    names, prior, posterior = Names.of(model), model.prior_, model.posterior_
    chains, draws = posterior.direct.shape
    rows: list[list[object]] = [
        ["method", type(model).__name__ + (", with a threshold" if posterior.thresholded else "")],
        ["subjects", told.subjects],
        ["exposure, outcome", f"{names.exposure}; {names.outcome}"],
        ["confounders measured", ", ".join(names.confounders) or "none"],
        ["voxels", model.basis_.n_voxels],
        ["regions", len(model.basis_.blocks)],
        ["components", told.components],
        ["share of the kernel that they explain", f"{model.explained_:.1%}"],
        [
            "chains",
            f"{counted(chains, 'chain')} of {draws:,} draws each, after {model.n_warmup:,} that were thrown away",
        ],
        ["seed", "none was given" if model.random_state is None else str(model.random_state)],
        ["prior of NDE", f"normal, mean 0, standard deviation {short(prior.direct_effect_sd)} {names.unit}"],
        ["priors of variances", _variances(prior)],
    ]
    if allows_for_confounder(model):
        rows.append(["prior that a voxel carries the confounder", _inclusion(prior, model.basis_.n_voxels)])
        rows.append(["stage one hands on", model.method_.handed_on(prior)])
    if posterior.thresholded:
        rows.append(["thresholds of alpha and beta", ", ".join(short(value) for value in posterior.thresholds)])
    if told.accepted is not None:
        rows.append(["moves accepted, stage one and two", ", ".join(f"{share:.0%}" for share in told.accepted)])
    rows.append(["Latticework", version])
    return rows


def _variances(prior: Prior) -> str:
    sizes = "relative to the data's" if prior.standardise else "in units of the data"
    rates = f"rate {prior.rate:g}, of the outcome's noise {prior.noise_rate:g}"
    return f"inverse gamma, shape {prior.shape:g}, {rates}, {sizes}"


def _inclusion(prior: Prior, voxels: int) -> str:
    given: Any = prior.inclusion_of(voxels)
    if isinstance(given, tuple):
        return f"beta({given[0]:g}, {given[1]:g}), on average {given[0] / sum(given):.2g}"
    return f"{given:g}"

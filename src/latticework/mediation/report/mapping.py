"""The maps of a page: effects of and on each voxel, where they are selected, and where a confounder may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float

from latticework.core.words import counted
from latticework.mediation.maps import Rule, rule_of
from latticework.mediation.report.findings import Names
from latticework.mediation.report.pictures import Canvas, Scale, map_picture
from latticework.pages import Picture, Section

if TYPE_CHECKING:
    from latticework.mediation.fitted import FittedModel
    from latticework.mediation.simulation import SimulatedStudy
    from latticework.mediation.truth import Truth

RULES: Final[dict[Rule, str]] = {
    "rope": "those whose effect is, with a probability of at least 95\N{NO-BREAK SPACE}%, farther from 0 than a "
    "twentieth of the largest",
    "pip": "those whose effect is more likely than not other than 0",
}

Voxels = Float[np.ndarray, " voxels"]


def map_section(model: FittedModel, truth: Truth | SimulatedStudy | None) -> Section:
    """Maps of a fitted model, beside the truth where it is known."""
    canvas = Canvas.of(model.space_, model.coordinates_)
    rule = rule_of(model.posterior_)
    chosen = model.select(rule)
    many = f"{int(chosen.sum()):,} of {counted(len(chosen), 'voxel')}"
    summary = f"An indirect effect is selected in {many}: {RULES[rule]}."
    if canvas is None:
        return Section(
            "Maps",
            summary,
            paragraphs=["There are no pictures: the voxels are on no grid. With mask=, the model knows one."],
        )
    pictures, notes = _pictures(model, canvas, chosen, truth), [_orientation(canvas)]
    return Section("Maps", summary, paragraphs=notes, pictures=pictures)


def _pictures(
    model: FittedModel, canvas: Canvas, chosen: np.ndarray, truth: Truth | SimulatedStudy | None
) -> list[Picture]:
    names, maps, posterior = Names.of(model), model.maps_, model.posterior_
    cut = None if canvas.flat else canvas.peak(maps.effect)

    def pair(found: Voxels, true: Voxels | None) -> list[tuple[str, Voxels]]:
        return [("", found)] if true is None else [("truth", true), ("found", found)]

    def drawn(
        found: Voxels, true: Voxels | None, unit: str, caption: str, cut: tuple[float, float, float] | None = cut
    ) -> Picture:
        shown = pair(found, true)
        scale = Scale.around_nought(*(values for _, values in shown), unit=unit)
        return map_picture(canvas, shown, scale, caption=caption, cut=cut)

    room = 1 if truth is None else 2
    pictures = [
        drawn(
            maps.effect,
            truth.alpha * truth.beta if truth is not None else None,
            names.unit,
            "The indirect effect through each voxel, alpha times beta: the posterior mean. Its sum is NIE.",
        )
    ]
    if not canvas.flat:
        scale = Scale.around_nought(maps.effect, unit=names.unit)
        pictures.append(
            map_picture(
                canvas, [("", maps.effect)], scale, view="glass",
                caption="The same, seen through the brain: along each line of sight what is farthest from 0. The "
                "outline is that of the MNI brain, and fits only if the images were brought to it.",
            )
        )  # fmt: skip
    sure = Scale(-1.0, 1.0, "P(above 0) less P(below 0)")
    one = Scale(0.0, 1.0, "probability")
    pictures += [
        map_picture(
            canvas,
            [("", maps.positive - maps.negative)],
            sure,
            cut=cut,
            room=room,
            caption="How sure the sign of the indirect effect is: 1 surely above 0, −1 surely below.",
        ),
    ]
    if chosen.any():
        pictures.append(
            map_picture(
                canvas,
                [("", np.where(chosen, np.sign(maps.effect), 0.0))],
                Scale(-1.0, 1.0, "sign, where selected"),
                cut=cut,
                room=room,
                view="ortho" if canvas.flat else "glass",
                caption=f"Where an indirect effect is selected, and its sign: {RULES[rule_of(posterior)]}.",
            )
        )
    pictures += [
        drawn(
            maps.alpha, truth.alpha if truth is not None else None, f"image, per unit of {names.exposure}",
            "Alpha, the effect of the exposure on each voxel.",
        ),
        drawn(
            maps.beta, truth.beta if truth is not None else None, f"{names.outcome} per unit of the image",
            "Beta, the effect of each voxel on the outcome.",
        ),
    ]  # fmt: skip
    if posterior.thresholded:
        pictures.append(
            map_picture(
                canvas, [("", maps.pip)], one, cut=cut, room=room,
                caption="The probability that the indirect effect through a voxel is not 0.",
            )
        )  # fmt: skip
    if posterior.nu is not None and posterior.included is not None:
        cut, where = canvas.peak(posterior.included), ""
        if not canvas.flat:
            where = " Cuts go through the voxel where it is largest."
        pictures += [
            drawn(
                posterior.nu, truth.nu if truth is not None else None, f"{names.outcome} per unit of the image",
                f"Nu, what individual effects on each voxel do to the outcome but through the image.{where}", cut,
            ),
            map_picture(
                canvas,
                [("truth", (truth.nu != 0).astype(float)), ("found", posterior.included)]
                if truth is not None
                else [("", posterior.included)],
                one, cut=cut, room=room,
                caption="The probability that the model lets a voxel carry the unobserved confounder. Which voxels do "
                f"is not known from the data, only what they move in sum.{where}",
            ),
        ]  # fmt: skip
    return pictures


def _orientation(canvas: Canvas) -> str:
    told = (
        "Colours are black at 0 and lighter the farther from it, orange above and blue below; each scale is as long on "
        "both sides. "
    )
    if canvas.flat:
        return told + "What grows along an axis of the study's space grows to the right, or upwards."
    return told + (
        "But for the confounder's, all cuts go through the voxel whose indirect effect is farthest from 0; the left of "
        "the brain is on the left."
    )

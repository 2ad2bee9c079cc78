"""What was found, and what it rests on, in words; never that confounding was removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from latticework.core.words import counted
from latticework.mediation.effects import NDE, NIE, PROPORTION, TE, WORST_RHAT
from latticework.mediation.report.charts import interval_told, rounded
from latticework.pages.text import printable, short

if TYPE_CHECKING:
    from latticework.mediation.diagnosis import Diagnosis
    from latticework.mediation.fitted import FittedModel

PERCENT: Final = "95\N{NO-BREAK SPACE}%"
ILL_CONDITIONED: Final = 30  # a condition number (Belsley, Kuh & Welsch 1980)


class Names(NamedTuple):
    """What exposure and outcome are called, and the unit of an effect."""

    exposure: str
    outcome: str
    confounders: tuple[str, ...]

    @property
    def unit(self) -> str:
        """Of NIE, NDE and TE."""
        return f"{self.outcome} per unit of {self.exposure}"

    @classmethod
    def of(cls, model: FittedModel) -> Names:
        """Those of a fitted model."""
        names = model.names_
        return cls(
            printable(str(names["exposure"])),
            printable(str(names["outcome"])),
            tuple(printable(str(name)) for name in names["confounders"]),
        )


class Estimate(NamedTuple):
    """Median and ends of the interval of an effect."""

    lower: float
    middle: float
    upper: float

    @property
    def ends(self) -> str:
        """The interval in words."""
        low, high = (rounded(value, self.upper - self.lower) for value in (self.lower, self.upper))
        return f"{low}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{high}"

    @property
    def value(self) -> str:
        """The median in words."""
        return rounded(self.middle, self.upper - self.lower)

    @property
    def side(self) -> str:
        """Where the interval is, seen from nought."""
        return "above 0" if self.lower > 0 else "below 0" if self.upper < 0 else "on both sides of 0"

    def __str__(self) -> str:
        return interval_told(self.middle, self.lower, self.upper)


def estimates(model: FittedModel) -> dict[str, Estimate]:
    """NIE, NDE, TE and the proportion mediated, by name."""
    table = model.effects_table_
    rows = table[table.region == ""].to_dict("records")
    return {str(row["effect"]): Estimate(row["lower"], row["median"], row["upper"]) for row in rows}


def allows_for_confounder(model: FittedModel) -> bool:
    """Whether the model has an unobserved confounder."""
    return model.posterior_.projected is not None


def answer(model: FittedModel, told: Diagnosis) -> str:
    """What was found, in a few sentences."""
    names, found = Names.of(model), estimates(model)
    nie, nde, total = found[NIE], found[NDE], found[TE]
    if unreliable(told):
        return (
            "The chains have not converged: no figure on this page can be relied on yet. Fit again with more draws, "
            "and read on then."
        )
    opened = (
        f"In all, one unit more of {names.exposure} comes with {total} units of {names.outcome}: the total effect, TE, "
        f"whose {PERCENT} interval is {total.side}."
    )
    if nie.side == "on both sides of 0":
        carried = f"Whether the image carries some of it stays open: NIE is {nie}, and NDE {nde}."
    else:
        carried = f"By this model and its priors, the image carries {nie} of it (NIE), and {nde} go past it (NDE)."
    more = len(told.warnings)
    return f"{opened} {carried}" + (f" {counted(more, 'warning')} below: read on before using this." if more else "")


def caution(model: FittedModel, told: Diagnosis) -> str:
    """What the figures do not say."""
    if allows_for_confounder(model):
        kept = (
            "Allowing for an unobserved confounder of image and outcome does not remove confounding: it shows what the "
            "split would be if that confounder is as the model and its priors have it."
        )
    else:
        kept = (
            "The model takes it for granted that no confounder of image and outcome is missing. BASMU allows for one."
        )
    return (
        "The data identify the total effect, provided that no confounder of exposure and outcome is missing: by least "
        f"squares, without the image, it is {short(told.total[0])} (standard error {short(told.total[1])}). How it "
        f"splits into NIE and NDE leans on priors: {leaning(told)}. {kept}"
    )


def leaning(told: Diagnosis) -> str:
    """How much of the split the prior of the direct effect brought."""
    share = told.prior_share
    if told.components >= told.subjects - told.equations - 1:
        return "there are as many components as the data can tell apart, or more, so that priors alone decide the split"
    if share > 0.9:
        words = "on their own, the data say next to nothing about the split"
    elif share > 0.5:
        words = "the split rests more on the prior than on the data"
    elif share > 0.1:
        words = "the split rests more on the data than on the prior, and still the prior counts"
    else:
        words = "the split is not that prior's"
    told_share = "less than 1%" if share < 0.01 else f"{share:.0%}"
    rest = (
        "the rest is what is believed of the unobserved confounder, without which data say nothing of the split"
        if told.moved["sd"] > 0
        else "the rest is what data say if no confounder is missing"
    )
    return f"{told_share} of the precision with which NDE is known is its prior's, so that {words}; {rest}"


def comparison(model: FittedModel, told: Diagnosis) -> str:
    """What the analysis would say without the unobserved confounder, or without a prior of the direct effect."""
    (nie, nie_error), (nde, nde_error) = told.unconfounded[NIE], told.unconfounded[NDE]
    figures = f"NIE would be {short(nie)} (standard error {short(nie_error)}) and NDE {short(nde)} ({short(nde_error)})"
    if not allows_for_confounder(model):
        less = " and no threshold" if model.posterior_.thresholded else ""
        return f"With a flat prior of NDE{less}, {figures}."
    return (
        f"Without an unobserved confounder, and with a flat prior of NDE, {figures}. Allowing for one moves "
        f"{moved(told)} from NIE to NDE; it does not change TE."
    )


def moved(told: Diagnosis) -> Estimate:
    """What the unobserved confounder moves from NIE to NDE."""
    return Estimate(told.moved["lower"], told.moved["median"], told.moved["upper"])


def unreliable(told: Diagnosis) -> bool:
    """Whether chains disagree so much that figures are of no use."""
    return any(not rhat <= WORST_RHAT for effect, rhat in told.rhat.items() if effect not in told.constant)


def proportion(model: FittedModel) -> str:
    """What the proportion mediated means."""
    found = estimates(model)
    if found[TE].side == "on both sides of 0":
        return "As TE may be 0, the proportion mediated, NIE / TE, means little here."
    share = found[PROPORTION]
    beyond = (
        " Below 0 the indirect effect, and above 1 the direct one, goes the other way than the total effect."
        if share.lower < 0 or share.upper > 1
        else ""
    )
    return f"The proportion mediated is NIE / TE, {share}.{beyond}"


def equations(told: Diagnosis) -> str:
    """Why the data cannot tell the split."""
    large = (
        f"above {ILL_CONDITIONED} is large: exposure and confounders nearly repeat each other, or the image hardly "
        "depends on some of them, and these equations tell less than so many"
        if told.condition > ILL_CONDITIONED
        else f"above {ILL_CONDITIONED} would be large"
    )
    return (
        f"Mediators, exposure and confounders have rank {told.rank} over the {counted(told.subjects, 'subject')}; with "
        f"the individual effects beside them, {told.rank_with_effects}: as these are made of the mediators' residuals, "
        f"they add {'nothing' if told.rank_with_effects == told.rank else 'little'}. What the data know of them beyond "
        f"the mediators' own coefficients is in {counted(told.equations, 'equation')}, one for the exposure and one a "
        f"confounder. Their condition number, by how much more strongly they see one direction of the unobserved "
        f"confounder's coefficients than another, is {short(told.condition)}; {large}."
    )

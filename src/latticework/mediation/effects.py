"""Effects that people ask for, with intervals and with how well the chains know them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from latticework.core.errors import require
from latticework.mediation.posterior import Posterior
from latticework.mediation.scan import import_numba

if TYPE_CHECKING:
    import pandas as pd

NIE: Final = "NIE"
NDE: Final = "NDE"
TE: Final = "TE"
PROPORTION: Final = "proportion mediated"
COLUMNS: Final = ("mean", "sd", "median", "lower", "upper", "p_positive", "rhat", "ess")
LEVEL: Final = 0.95  # of intervals
GOOD_RHAT: Final = 1.01  # at most, of chains that agree (Vehtari et al. 2021)
WORST_RHAT: Final = 1.05  # beyond it no figure can be relied on
FEW_EFFECTIVE: Final = 400  # draws, below which quantiles are rough (Vehtari et al. 2021)


def effects_table(posterior: Posterior) -> pd.DataFrame:
    """NIE, NDE, TE and the proportion mediated, and NIE of each region.

    Returns
    -------
    pandas.DataFrame
        A row an effect, with the region it goes through (empty for all of the image); mean, sd, median, the interval of
        95 %, the probability of being above nought, R-hat and the effective number of draws. A proportion, whose mean
        need not exist, has a median and an interval alone.
    """
    pandas = import_pandas()
    regional = posterior.regional
    draws = [(effect, "", values) for effect, values in draws_of(regional, posterior.direct).items()]
    if len(posterior.basis.blocks) > 1:
        draws += [(NIE, block.name, regional[..., number]) for number, block in enumerate(posterior.basis.blocks)]
    rows = [{"effect": effect, "region": region, **summary(values)} for effect, region, values in draws]
    for row in rows:
        if row["effect"] == PROPORTION:
            row["mean"] = row["sd"] = np.nan
    return pandas.DataFrame(rows, columns=["effect", "region", *COLUMNS])


def draws_of(
    regional: Float[np.ndarray, "chains draws regions"], direct: Float[np.ndarray, "chains draws"]
) -> dict[str, Float[np.ndarray, "chains draws"]]:
    """Draws of NIE, NDE, TE and the proportion mediated, by those of NIE through each region and of NDE."""
    indirect = regional.sum(axis=-1)
    total = indirect + direct
    return {NIE: indirect, NDE: direct, TE: total, PROPORTION: indirect / total}


def summary(draws: Float[np.ndarray, "chains draws"]) -> dict[str, float]:
    """Mean, sd, median, interval, probability of being positive, R-hat and effective number of draws."""
    lower, median, upper = np.quantile(draws, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
    rhat, ess = convergence(draws)
    return {
        "mean": float(draws.mean()),
        "sd": float(draws.std()),
        "median": float(median),
        "lower": float(lower),
        "upper": float(upper),
        "p_positive": float((draws > 0).mean()),
        "rhat": rhat,
        "ess": ess,
    }


def convergence(draws: Float[np.ndarray, "chains draws"]) -> tuple[float, float]:
    """Rank-normalised split R-hat and bulk effective sample size (Vehtari et al. 2021); of constant draws, NaN."""
    if draws.shape[1] < 4 or not np.ptp(draws):
        return float("nan"), float("nan")
    if len(draws) == 1:  # its halves are compared
        draws = draws[:, : draws.size // 2 * 2].reshape(2, -1)
    arviz = import_arviz("diagnostics of chains")
    return float(arviz.rhat(draws)), float(arviz.ess(draws))


def require_libraries(*, confounded: bool) -> None:
    """Import what a fit needs after its draws, and for an unobserved confounder: better told before than hours later.

    Raises
    ------
    MissingExtraError
        If a library is not installed.
    """
    import_pandas()
    import_arviz("diagnostics of chains")
    if confounded:
        import_numba()


def import_pandas() -> Any:
    """Pandas, or how to install it."""
    return require("pandas", extra="mediation", purpose="tables of effects")


def import_arviz(purpose: str) -> Any:
    """ArviZ, without its notice of the next major version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return require("arviz", extra="mediation", purpose=purpose)

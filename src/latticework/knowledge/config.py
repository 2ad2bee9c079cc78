"""Everything about DKGE and its training that is not the data: one dataclass.

Figures are those of the published code of Wu et al. 2022 where the comment says so; the others were found by experiment
on the development triples of YAGO-3SP.
"""

from dataclasses import dataclass
from typing import Final, get_args

from latticework.core.checks import one_of, positive, set_frozen, whole_number
from latticework.knowledge.choices import Compat, Corruption, Gate, Loss, NewEntities, Norm

WHOLE: Final = (
    "batch_size",
    "negatives",
    "validate_every",
    "patience",
    "warm_epochs",
    "max_triples_per_entity",
    "update_epochs",
)
OPEN: Final = ("negatives", "patience")  # which may be None
NEGATIVES: Final[dict[Loss, int]] = {"softmax": 1000, "margin": 1}  # of the margin, the paper's
POSITIVE: Final = ("margin", "sharpness", "learning_rate", "update_learning_rate")
CHOICES: Final = {
    "norm": Norm,
    "compat": Compat,
    "gate": Gate,
    "loss": Loss,
    "corruption": Corruption,
    "new_entities": NewEntities,
}


@dataclass(frozen=True, kw_only=True)
class DKGEConfig:
    """Shape and training of a model.

    Examples
    --------
    >>> DKGEConfig(margin=1.0).norm
    2
    """

    norm: Norm = 2  # of h + r - t; the code's
    compat: Compat = "paper"  # "reference": padding, first values and corruption as in the published code
    gate: Gate = "learned"  # "open": contexts say nothing, and the model is TransE
    loss: Loss = "softmax"  # among a pool of entities, or against corrupted triples as the paper
    negatives: int | None = None  # entities of the pool, or corrupted triples of each fact; None: as `NEGATIVES` says
    sharpness: float = 10.0  # of the softmax: what distances are multiplied by
    margin: float = 10.0  # the code's
    corruption: Corruption = "bernoulli"  # for the margin: TransH's rule, or head and tail alike
    batch_size: int = 1000  # facts; the code's is 500
    learning_rate: float = 5e-3  # of Adam; the older code's
    validate_every: int = 5  # epochs
    patience: int | None = 3  # stop after this many validations without a better one
    warm_epochs: int = 20  # of TransE, where init="transe"
    max_triples_per_entity: int = 100  # of those that an affected entity or relation is in, what an update trains with
    update_epochs: int = 15  # of an update, at most
    update_learning_rate: float = 5e-3
    new_entities: NewEntities = "translation"  # where new ones begin: where facts put them, or random

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            known = get_args(choices)
            set_frozen(self, name, known[known.index(one_of(name, getattr(self, name), known))])
        for name in WHOLE:
            if getattr(self, name) is not None or name not in OPEN:
                set_frozen(self, name, whole_number(name, getattr(self, name)))
        for name in POSITIVE:
            set_frozen(self, name, positive(name, getattr(self, name)))

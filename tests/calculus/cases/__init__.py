"""Derivatives with known answers: each a closed form in NumPy and, as a person would write it, one in our language.

The closed forms are written from the sources named in `source`, without the engine. Arrays are laid out
`[axes of the function..., axes of the variable...]`; the texts are in either layout.
"""

from calculus.cases.attention import ATTENTION
from calculus.cases.blocks import BLOCKS
from calculus.cases.case import SIZES, Case, name_of
from calculus.cases.gold import GOLD, GOLD_HESSIANS
from calculus.cases.hessians import HESSIANS
from calculus.cases.layers import LAYERS
from calculus.cases.likelihoods import LIKELIHOODS
from calculus.cases.matrices import MATRICES

__all__ = ["CASES", "GOLD", "GOLD_HESSIANS", "SIZES", "Case", "name_of"]

CASES = (*GOLD, *GOLD_HESSIANS, *MATRICES, *BLOCKS, *HESSIANS, *LAYERS, *ATTENTION, *LIKELIHOODS)

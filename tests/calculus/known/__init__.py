"""Derivatives with known answers: each a closed form in NumPy and, as a person would write it, one in our language.

The closed forms are written from the sources named in `source`, without the engine. Arrays are laid out
`[axes of the function..., axes of the variable...]`; the texts are in either layout.
"""

from calculus.known.attention import ATTENTION
from calculus.known.blocks import BLOCKS
from calculus.known.case import SIZES, Case, name_of
from calculus.known.gold import GOLD, GOLD_HESSIANS
from calculus.known.hessians import HESSIANS
from calculus.known.layers import LAYERS
from calculus.known.likelihoods import LIKELIHOODS
from calculus.known.matrices import MATRICES

__all__ = ["CASES", "GOLD", "GOLD_HESSIANS", "SIZES", "Case", "name_of"]

CASES = (*GOLD, *GOLD_HESSIANS, *MATRICES, *BLOCKS, *HESSIANS, *LAYERS, *ATTENTION, *LIKELIHOODS)

"""What options can be, for functions and commands alike: types alone, so that help is there at once."""

from __future__ import annotations

from typing import Literal

Layout = Literal["numerator", "denominator"]
Direction = Literal["forward", "backward"]  # of the chain
Method = Literal["auto", "autodiff", "differences"]  # of comparing a derivative
Language = Literal["numpy", "torch", "jax"]  # that code is for

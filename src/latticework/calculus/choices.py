"""What options can be, for functions and commands alike: types alone, so that help is there at once."""

from __future__ import annotations

from typing import Literal

Layout = Literal["numerator", "denominator"]
Language = Literal["numpy", "torch", "jax"]  # that code is for

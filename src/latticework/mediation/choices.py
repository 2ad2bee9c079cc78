"""What options can be, for functions and commands alike: types alone, so that help is there at once."""

from __future__ import annotations

from typing import Literal

KernelName = Literal["matern", "modified_squared_exponential"]
Confounding = Literal["sparse", "dense", "none"]  # of what individual differences change unseen
Missing = Literal["error", "drop"]  # what becomes of participants without a value

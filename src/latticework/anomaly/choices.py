"""What options can be, for functions and commands alike: types alone, so that help is there at once."""

from __future__ import annotations

from typing import Literal

Unit = Literal["m", "cm", "mm"]
Fusion = Literal["ocsvm", "zsum", "max", "quantile"]  # how the scores of banks become one

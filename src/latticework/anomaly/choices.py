"""What options can be, for functions and commands alike: types alone, so that help is there at once."""

from __future__ import annotations

from typing import Literal

Unit = Literal["m", "cm", "mm"]
Features = Literal["handcrafted", "pretrained"]  # what patches are described by
Mode = Literal["default", "paper"]
Fusion = Literal["ocsvm", "zsum", "max", "quantile"]  # how the scores of banks become one

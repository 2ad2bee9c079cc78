"""What options can be, for functions and commands alike: types alone, so that help is there at once."""

from __future__ import annotations

from typing import Literal

Scheme = Literal["BMES", "BIOES", "BIO"]  # of tags
Repair = Literal["close", "drop", "refuse"]  # what becomes of illegal tags
Forget = Literal["coupled", "independent"]  # of the lattice: 1 - input gate, or a gate of its own

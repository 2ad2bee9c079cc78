"""Figures anyone can make again; `README.md` beside this file says how."""

from pathlib import Path

HERE = Path(__file__).resolve().parent

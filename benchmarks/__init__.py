"""Figures anyone can make again; `README.md` beside this file says how."""

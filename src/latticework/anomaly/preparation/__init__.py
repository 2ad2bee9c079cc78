"""Scans made ready: the part told from its ground, and all brought to one size (M3DM, section 3.1)."""

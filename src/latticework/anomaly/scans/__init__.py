"""Scans of parts: in files and folders of several layouts and formats, and as arrays."""

"""Knowledge graphs in files: of several formats, and public ones."""

from latticework.knowledge.io.formats import read_splits, read_triples, write_triples

__all__ = ["read_splits", "read_triples", "write_triples"]

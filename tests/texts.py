"""What files of text hold."""

from collections.abc import Iterable


def lines(texts: Iterable[str]) -> bytes:
    """Bytes of a text each line."""
    return "".join(f"{text}\n" for text in texts).encode()

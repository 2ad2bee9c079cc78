"""What named-entity recognition offers to the ways in."""

from latticework.core.capability import Capability

capability = Capability(
    name="ner",
    summary="Tag entities in Chinese text, with your own word list.",
)

"""What named-entity recognition offers to the ways in."""

from latticework.core.capability import Capability

capability = Capability(
    name="ner",
    summary="Tag entities in Chinese text, with your own word list.",
    estimators=(
        "latticework.ner.taggers:LatticeTagger",
        "latticework.ner.taggers:CharacterTagger",
        "latticework.ner.words:WordTagger",
        "latticework.ner.softlexicon:SoftLexiconTagger",
        "latticework.ner.flat:FlatTagger",
    ),
    command="ner",
    commands="latticework.ner.cli:app",
    tour_stop="latticework.ner.tour:stop",
    datasets=("latticework.ner.io:RESUME",),
)

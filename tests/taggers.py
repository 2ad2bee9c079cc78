"""What the tests of taggers share: a few sentences to learn, and the common checks with what a tagger is asked."""

from cases import EstimatorCases

from latticework.ner import LatticeTagger, TaggerConfig

SENTENCES = ["我爱长江", "他在长城", "看黄河去", "到北京了", "他也走了"] * 4
TAGS = [
    ["O", "O", "B-RIV", "E-RIV"],
    ["O", "O", "B-LOC", "E-LOC"],
    ["O", "B-RIV", "E-RIV", "O"],
    ["O", "B-LOC", "E-LOC", "O"],
    ["O"] * 4,
] * 4
WORDS = ["长江", "长城", "黄河", "北京", "江长城"]
CONFIG = TaggerConfig(
    char_size=12, word_size=8, batch_size=4, learning_rate=0.02, char_dropout=0.1, word_dropout=0.1, state_dropout=0.1
)
QUERIES = ["他在长江", "", "到 北 京", list("黄河"), "𠀀" * 3]
TEXTS = ["他在长江", "", " 到 北 京 了"]


class TaggerCases(EstimatorCases):
    """What every tagger must answer, with and without white space, and refuse."""

    tagger = LatticeTagger
    config = CONFIG

    def make(self):
        return self.tagger(WORDS, hidden_size=16, max_epochs=6, config=self.config, random_state=0, device="cpu")

    def fit_arguments(self):
        return (SENTENCES, TAGS), {"validation": (SENTENCES[:5], TAGS[:5])}

    def queries(self):
        by_sentences = dict.fromkeys(["predict", "transform", "character_states"], (QUERIES,))
        return by_sentences | {"entities": (TEXTS,), "score": (SENTENCES, TAGS), "matches": ("到 北 京",)}

    def bad_fits(self):
        yield "one string", (("我爱长江", TAGS), {})
        yield "nothing", ((None, None), {})
        yield "no sentences", (([], []), {})
        yield "unequal sides", ((SENTENCES, TAGS[:-1]), {})
        yield "a tag too few", ((["我爱"], [["O"]]), {})
        yield "white space that was tagged", ((["我 爱"], [["O", "O", "O"]]), {})
        yield "no entity", ((["我爱"], [["O", "O"]]), {})
        yield "tags in a string", ((["我爱"], ["OO"]), {})
        yield "a number for a tag", ((["我"], [[1]]), {})
        yield "a tag without a type", ((["我"], [["S"]]), {})
        yield "a character that is none", (([["我", " "]], [["O", "S-X"]]), {})
        yield "half of a validation", ((SENTENCES, TAGS, (SENTENCES,)), {})
        yield "validation without an entity", ((SENTENCES, TAGS, (["我"], [["O"]])), {})
        yield "restart without a folder", ((SENTENCES, TAGS), {"restart": True})

    def bad_inputs(self):
        yield "one string", lambda tagger: tagger.predict("我爱长江")
        yield "one text", lambda tagger: tagger.entities("我爱长江")
        yield "a number", lambda tagger: tagger.predict([1])
        yield "an empty character", lambda tagger: tagger.predict([["我", ""]])
        yield "bytes", lambda tagger: tagger.entities([b"x"])
        yield "unequal sides", lambda tagger: tagger.score(SENTENCES, TAGS[1:])
        yield "a generator for a lexicon", lambda tagger: tagger.with_lexicon(iter(WORDS))

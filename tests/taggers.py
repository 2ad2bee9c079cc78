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
        yield "one string", "^training sentences: .* single str$", (("我爱长江", TAGS), {})
        yield "nothing", "^training sentences: .* single NoneType$", ((None, None), {})
        yield "no sentences", "^training: there are no sentences$", (([], []), {})
        yield "unequal sides", "^training: 20 sentences and 19 rows of tags$", ((SENTENCES, TAGS[:-1]), {})
        yield "a tag too few", "2 characters and 1 tags$", ((["我爱"], [["O"]]), {})
        yield "white space that was tagged", "2 characters and 3 tags$", ((["我 爱"], [["O", "O", "O"]]), {})
        yield "no entity", "^the training tags name no entity", ((["我爱"], [["O", "O"]]), {})
        yield "tags in a string", r"^training tags\[0\]: .* single str$", ((["我爱"], ["OO"]), {})
        yield "a number for a tag", r"^training tags\[0\] is \[1\]: expected a list of tags", ((["我"], [[1]]), {})
        yield "a tag without a type", r"^training tags\[0\]\[0\]: 'S' is no BMES tag", ((["我"], [["S"]]), {})
        yield "a character that is none", r"sentences\[0\]\[1\] is ' '", (([["我", " "]], [["O", "S-X"]]), {})
        yield "half of a validation", "^validation: expected a pair", ((SENTENCES, TAGS, (SENTENCES,)), {})
        yield "validation without a sentence", "^validation: there are no s", ((SENTENCES, TAGS, ([], [])), {})
        yield "validation without an entity", "validation tags name", ((SENTENCES, TAGS, (["我"], [["O"]])), {})
        yield "restart without a folder", "^restart and loggers need a folder$", ((SENTENCES, TAGS), {"restart": True})

    def bad_inputs(self):
        yield "one string", "^sentences: .* single str$", lambda tagger: tagger.predict("我爱长江")
        yield "one text", "^texts: .* single str$", lambda tagger: tagger.entities("我爱长江")
        yield "a number", r"^sentences\[0\]: .* single int$", lambda tagger: tagger.predict([1])
        yield "an empty character", r"^sentences\[0\]\[1\] is ''", lambda tagger: tagger.predict([["我", ""]])
        yield "bytes", r"^texts\[0\] is a bytes: expected a string$", lambda tagger: tagger.entities([b"x"])
        yield "unequal sides", "^score: 20 sentences and 19 rows", lambda tagger: tagger.score(SENTENCES, TAGS[1:])
        yield "an iterator for a lexicon", "^lexicon: .* got a list_it", lambda tagger: tagger.with_lexicon(iter(WORDS))

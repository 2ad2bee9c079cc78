import numpy as np
import pytest

import latticework as lw
from latticework.knowledge import DKGE, DKGEConfig

CONFIG = DKGEConfig(negatives=4)
ODD = ["a\\nb", "a\nb", "\\", "\r", "\u2028", "x\\\\y", "\\\n", "tab\there", "é", "\x85"]


def test_a_model_with_odd_names_is_saved(tmp_path):
    model = DKGE(4, max_epochs=1, config=CONFIG, random_state=0, device="cpu")
    model.fit([(name, "r\n", "there") for name in ODD])
    model.save(tmp_path)
    loaded = lw.load(tmp_path)
    assert list(loaded.graph_.entities) == list(model.graph_.entities)
    assert np.array_equal(loaded.transform(ODD), model.transform(ODD))


def test_a_folder_whose_parts_do_not_fit_is_refused(tmp_path):
    model = DKGE(4, max_epochs=1, config=CONFIG, random_state=0, device="cpu").fit([("a", "r", "b"), ("b", "r", "c")])
    state = model.to_state()
    state.files["entities.txt"] = b"a\nb\n"
    with pytest.raises((ValueError, lw.InputError)):
        DKGE(4, config=CONFIG).from_state(state)


def test_a_model_keeps_the_contexts_that_it_was_learned_with(tmp_path):
    facts = [("hub", "r", f"leaf {number}") for number in range(6)]
    model = DKGE(4, max_context=3, max_epochs=1, config=CONFIG, random_state=0, device="cpu").fit(facts)
    before = model.learned_.index
    model.set_params(max_context=5).save(tmp_path)
    after = lw.load(tmp_path).learned_
    assert "index" not in vars(after)  # made when it is asked for
    assert np.array_equal(after.index.entities.elements, before.entities.elements)

import numpy as np
import pytest

from latticework.core.errors import InputError
from latticework.knowledge.triples import triple_keys


def test_keys_that_do_not_fit_64_bits_are_refused():
    triples = np.array([[0, 0, 0]])
    assert triple_keys(triples, 3_000_000_000, 1).tolist() == [0]
    with pytest.raises(InputError, match="too many for keys of 64 bits"):
        triple_keys(triples, 3_000_000_000, 2)

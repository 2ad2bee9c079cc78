import numpy as np
import pytest

from latticework.core.errors import InputError
from latticework.knowledge.triples import columns, triple_keys


@pytest.mark.parametrize("shape", [(), (3,), (4, 2), (4, 3, 1)])
def test_integers_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match=r"array of integers of shape .*, expected \(triples, 3\)"):
        columns(np.zeros(shape, int))
    assert columns(np.zeros((0, 3), int)) == columns(np.array([], int)) == ([], [], [])


def test_keys_that_do_not_fit_64_bits_are_refused():
    triples = np.array([[0, 0, 0]])
    assert triple_keys(triples, 3_000_000_000, 1).tolist() == [0]
    with pytest.raises(InputError, match="too many for keys of 64 bits"):
        triple_keys(triples, 3_000_000_000, 2)

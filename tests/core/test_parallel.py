import joblib
import pytest
from fakes import late

from latticework.core.parallel import workers


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky", "multiprocessing"])
def test_results_come_in_the_order_of_the_work_on_every_backend(backend):
    with joblib.parallel_config(backend=backend, n_jobs=2), workers(None) as parallel:
        assert list(parallel(joblib.delayed(late)(number) for number in range(4))) == [0, 1, 2, 3]


def test_what_is_left_early_is_given_up():
    begun = []
    with workers(1) as parallel:
        for number in parallel(joblib.delayed(lambda one: begun.append(one) or one)(number) for number in range(9)):
            if number == 2:
                break
    assert begun == [0, 1, 2]

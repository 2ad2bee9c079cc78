import pytest

import latticework as lw


@pytest.mark.realdata("knowledge/YAGO-3SP")
def test_snapshots_are_those_of_the_paper():
    sizes = [(len(splits.graph), len(splits.test)) for splits in map(load, (1, 2, 3))]
    assert sizes == [(123_974, 3000), (124_724, 3000), (125_574, 3000)]
    assert [load(snapshot).without_leaks()[1]["test"] for snapshot in (1, 2, 3)] == [0, 53, 194]


def load(snapshot):
    return lw.datasets.load("yago-3sp", snapshot=snapshot)


@pytest.mark.realdata("knowledge/YAGO-3SP")
def test_there_is_no_fourth():
    with pytest.raises(lw.InputError, match="snapshot=4: expected 1, 2 or 3"):
        load(4)

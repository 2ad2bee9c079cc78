"""Pages have the tables of all results."""

import pytest

from benchmarks import HERE, harness, records


def test_rendering_fills_the_markers_and_nothing_else(result, tmp_path):
    records.record(result, tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(
        "before\n<!-- begin translation -->\nold\n<!-- end translation -->\nafter\n<!-- begin x --><!-- end x -->\n"
    )
    harness.render(tmp_path)
    once = readme.read_text()
    assert once.startswith(
        "before\n<!-- begin translation -->\n**Multi30k**, from `python -m benchmarks.translation`:\n"
    )
    assert once.endswith("<!-- end translation -->\nafter\n<!-- begin x --><!-- end x -->\n")
    assert "| BLEU, test_2016 | 34 BLEU | 33.8 to 34.25 | >= 30 | yes |\n" in once
    assert "| peak memory \\| of fit | 1,612 MB |  | <= 1500 | **no** |\n" in once
    assert "| BLEU after 5 minutes | 21 BLEU |  |  |  |\n" in once
    assert "old" not in once
    harness.render(tmp_path)
    assert readme.read_text() == once


def test_a_result_without_a_place_is_an_error(result, tmp_path):
    records.record(result, tmp_path)
    (tmp_path / "README.md").write_text("no markers")
    with pytest.raises(ValueError, match="begin translation"):
        harness.render(tmp_path)


def test_the_page_of_benchmarks_has_a_place_for_every_result():
    page = (HERE / "README.md").read_text(encoding="utf-8")
    for path in (HERE / "results").glob("*.json"):
        assert f"<!-- begin {path.stem} -->\n{records.table(records.read(path))}\n<!-- end {path.stem} -->" in page

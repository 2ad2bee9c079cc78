import gzip
import re
import subprocess
import sys

import pytest
from outlines import Outline

from latticework import InputError, MissingExtraError
from latticework.pages import Code, Formula, Formulas, Page, Picture, Section, Table, heat_map, line_plot

HOSTILE = "<script>alert('x')</script> & \"$x$\" \x00\ud800 重庆"
SHOWN = "<script>alert('x')</script> & \"$x$\" \ufffd\ufffd 重庆"


def curve(name="training"):
    return line_plot({name: ([1, 2], [3, 1]), "b": ([1], [2])}, x_label="step", y_label="loss", caption="It learns.")


def matrix(name="dog"):
    labels = {"x_label": "read", "y_label": "written", "value_label": "attention"}
    return heat_map([[0.2, 0.8]], ["Hund"], ["the", name], **labels, caption="It looks.")


def example(text="Numbers"):
    table = Table(["English", "Score"], [[text, -0.5], ["ten", None]], text)
    pictures = [curve(text), matrix(text), matrix(text)]
    section = Section(
        text, text, facts=[(text, text), ("n", 4000)], paragraphs=[text], pictures=pictures, tables=[table]
    )
    return Page(text, text, [section, Section("Second", "The same pictures again.", pictures=pictures)])


def test_hostile_text_stays_text_wherever_it_stands():
    page = Outline(example(HOSTILE).html())
    assert not page.all("script")
    for tag in ("title", "h1", "h2", "a", "dt", "dd", "td", "caption"):
        assert SHOWN in page.text(tag), tag
    assert page.text("p").count(SHOWN) == 3


def test_a_page_needs_no_network_and_no_script():
    page = example().html()
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    outline = Outline(page)
    assert {"http-equiv": "Content-Security-Policy", "content": policy} in outline.all("meta")
    for _, attributes in outline.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"href", "src", "srcset", "action", "data", "poster", "xlink:href"}:
                assert value.startswith(("#", "data:"))
    assert "http" not in page.replace("http-equiv", "")
    assert "@import" not in page
    assert all(reference.startswith("#") for reference in re.findall(r"url\(([^)]*)\)", page))


def test_ids_are_unique_and_every_reference_finds_its_own():
    page = example().html()
    ids = [attributes["id"] for _, attributes in Outline(page).elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    references = re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', page)
    assert set(references) == set(ids)
    for number, drawing in enumerate(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL), start=1):
        assert all(name.startswith(f"picture-{number}-") for name in re.findall(r'(?:href="#|url\(#)([^")]+)', drawing))


def test_the_same_contents_give_the_same_page():
    assert example().html() == example().html()


def test_a_page_can_be_read_without_seeing_it():
    page = Outline(example().html())
    assert page.all("html") == [{"lang": "en"}]
    assert [tag for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)] == ["h1", "h2", "h2"]
    drawings = page.all("svg")
    assert len(drawings) == 6
    assert all(drawing["role"] == "img" and drawing["aria-label"].endswith(".") for drawing in drawings)
    assert all(cell["scope"] == "col" for cell in page.all("th"))
    scrolling = [box for box in page.all("div") if "scroll" in box.get("class", "")]
    assert all(box["tabindex"] == "0" and box["aria-label"] for box in scrolling)


def test_a_hostile_alt_text_stays_an_attribute():
    picture = Picture(curve().svg, "c", HOSTILE)
    assert Outline(Page("t", "i", [Section("s", "s", pictures=[picture])]).html()).all("svg")[0]["aria-label"] == SHOWN


def test_formulas_stand_below_each_other_with_their_reasons():
    first = Formula("<math><mi>y</mi></math>", "<math><mi>x</mi></math>", HOSTILE, ["<math><mn>1</mn></math>"])
    second = Formula("", "<math><mi>z</mi></math>")
    page = Outline(Page("t", "i", [Section("s", "s", formulas=[Formulas([first, second], HOSTILE, HOSTILE)])]).html())
    assert not page.all("script")
    assert page.text("mi") == ["y", "x", "z"]
    assert page.text("mn") == ["1"]
    assert page.text("mo") == ["=", "="]
    assert SHOWN in page.text("td")
    assert SHOWN in page.text("figcaption")
    assert SHOWN in page.text("span")


def test_a_formula_alone_has_no_equality_sign():
    lines = [Formula("", "<math><mi>z</mi></math>")]
    assert not Outline(Page("t", "i", [Section("s", "s", formulas=[Formulas(lines, "c")])]).html()).all("mo")


def test_code_is_shown_as_it_is():
    page = Outline(Page("t", "i", [Section("s", "s", code=[Code(HOSTILE + "\n    x < 1", "c")])]).html())
    assert not page.all("script")
    assert page.text("code") == [SHOWN + "\n    x < 1"]


def test_only_pages_of_several_sections_have_contents():
    assert not Outline(Page("t", "i", [Section("s", "s")]).html()).all("nav")
    assert Outline(Page("t", "i", []).html()).text("h1") == ["t"]


def test_numbers_are_formatted_and_set_to_the_right():
    page = Outline(example().html())
    assert "4,000" in page.text("dd")
    assert [cell.get("class") for cell in page.all("th")] == [None, "number"]
    assert [cell.get("class") for cell in page.all("td")] == [None, "number", None, "number"]
    assert "–" in page.text("td")


def test_a_column_without_a_number_in_its_first_row_is_still_one_of_numbers():
    rows = [[None, None, 1], [2.5, None, "one"], [True, None, 3]]
    page = Outline(Page("t", "i", [Section("s", "s", tables=[Table(["a", "b", "c"], rows[:2], "")])]).html())
    assert [cell.get("class") for cell in page.all("th")] == ["number", None, None]
    assert [cell.get("class") for cell in page.all("td")] == ["number", None, "number", "number", None, None]
    page = Outline(Page("t", "i", [Section("s", "s", tables=[Table(["a", "b", "c"], rows, "")])]).html())
    assert [cell.get("class") for cell in page.all("th")] == [None, None, None]


@pytest.mark.parametrize("name, opened", [("tour.html", open), ("tour.html.gz", gzip.open)])
def test_writing_replaces_a_page_as_a_whole(tmp_path, name, opened):
    target = tmp_path / name
    target.write_text("old")
    example(HOSTILE).write(target)
    with opened(target, "rt", encoding="utf-8") as page:
        assert page.read() == example(HOSTILE).html()
    assert list(tmp_path.iterdir()) == [target]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(InputError, match="Row 1 of the table 'Scores' has 1 cells, its header 2"):
        Table(["a", "b"], [[1, 2], [1]], "Scores")


def test_a_broken_picture_is_refused():
    page = Page("t", "i", [Section("s", "s", pictures=[Picture("<svg><g></svg>", "c", "a")])])
    with pytest.raises(InputError, match="well-formed XML, but mismatched tag"):
        page.html()


@pytest.mark.parametrize("library, use", [("jinja2", lambda: Page("t", "i", []).html()), ("matplotlib", curve)])
def test_a_missing_library_names_the_line_that_installs_it(monkeypatch, library, use):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'latticework[pages]'")):
        use()


def test_the_libraries_are_imported_where_they_are_used():
    code = "import sys, latticework.pages; assert not {'jinja2', 'matplotlib', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

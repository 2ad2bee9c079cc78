"""The benchmark of growth runs, on a few numbers in words, and its plot and its exponents say what was measured."""

from __future__ import annotations

import json
import re
import sys
import warnings
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import HERE, measuring, records, translation_drawn, translation_growth, translation_growth_parts
from benchmarks.translation_growth import KINDS, LENGTHS, VOCABULARIES
from latticework.seq2seq import decoding
from latticework.translation import TransformerTranslator

PAIRS = {"given": 29_001, "empty": 0, "too_long": 1, "used": 29_000}


def seconds_of(length: int, vocabulary: int) -> float:
    """A token costs what the square root of its sentence's length and the root of the vocabulary say."""
    return 0.1 * length**0.5 * vocabulary**0.5


def stub(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Let no process run: what a command says of its point decides what it finds."""
    commands: list[list[str]] = []

    def run_measured(
        command: list[str], env: dict[str, str], timeout: float, cores: int | None = None
    ) -> measuring.Measured:
        commands.append(command[3:])

        def said(option: str) -> str:
            return command[command.index(f"--{option}") + 1]

        output: dict[str, object]
        match said("part"):
            case "train" | "search":
                seconds = seconds_of(int(said("length")), int(said("vocabulary")))
                precision = "bf16" if said("part") == "train" else "32"
                output = {"seconds": [0.9 * seconds, seconds, 1.5 * seconds], "precision": precision}
            case "fit":
                output = {"pairs": PAIRS, "told": True}
            case "predict" if "--long" in command:
                output = {"seconds": 9.0, "translations": ["a", "b c", "B"], "place": 1, "parts": 30, "words": 2}
                output["held"] = 100.0
            case "predict":
                output = {"seconds": 6.0, "translations": ["a", "b"]}
        return measuring.Measured(tuple(command), 60.0, 90.0, 5 * 10**8, output)

    monkeypatch.setattr(measuring, "run_measured", run_measured)
    return commands


@pytest.mark.usefixtures("small")
def test_a_step_of_training_is_timed_in_the_loop_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation_growth_parts, "STEPS", 6)
    monkeypatch.setattr(translation_growth_parts, "LOG_EVERY", 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = translation_growth_parts.train(length=10, vocabulary=50)
    assert len(found["seconds"]) == 2  # of three rows the first is warming up
    assert all(seconds > 0 for seconds in found["seconds"])


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("beam", [1, 4])
def test_an_output_of_the_search_is_as_long_as_its_input(monkeypatch: pytest.MonkeyPatch, beam: int) -> None:
    """Or it says so: what a token costs would not be known."""
    monkeypatch.setattr(decoding, "SEARCH_TOKENS", 120)
    monkeypatch.setattr(translation_growth_parts, "ROUNDS", 2)
    assert len(translation_growth_parts.search(length=30, vocabulary=50, beam=beam)["seconds"]) == 2
    monkeypatch.setattr(translation_drawn, "NEVER", 100.0)
    with pytest.raises(RuntimeError, match="not of the length it should have"):
        translation_growth_parts.search(length=30, vocabulary=50, beam=beam)


@pytest.mark.parametrize("length", LENGTHS)
def test_drawn_texts_are_of_like_length_and_end(length: int) -> None:
    texts = translation_drawn.drawn_text(40, length, 50, seed=0)
    assert len(texts) == 40
    assert 0.9 * length <= texts.lengths.min() <= texts.lengths.max() <= length
    for index in range(40):
        assert texts[index][-1] == 3
        assert texts[index][:-1].min(initial=4) >= 4


@pytest.mark.usefixtures("small")
def test_a_very_long_line_is_left_out_of_training_and_translated_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation_growth_parts, "LONG_WORDS", 400)
    monkeypatch.setattr(translation_growth_parts, "LONG_STEPS", 2)
    trained = translation_growth_parts.fit(tmp_path)
    assert trained == {"pairs": {"given": 301, "empty": 0, "too_long": 1, "used": 300}, "told": True}
    monkeypatch.setattr(
        TransformerTranslator, "predict", lambda self, lines: [line.upper() for line in lines]
    )  # that of an untrained model is anything
    plain = translation_growth_parts.predict(tmp_path, long=False)
    long = translation_growth_parts.predict(tmp_path, long=True)
    assert len(plain["translations"]) == 20
    assert long["place"] == 10
    assert long["translations"][:10] + long["translations"][11:] == plain["translations"]
    assert long["words"] == 400
    assert long["held"] == 100
    assert long["parts"] >= 400 / 256


def test_the_exponent_is_the_slope_between_the_ends() -> None:
    lengths = [10, 20, 50, 500]
    assert translation_growth.exponent(lengths, [3 * length for length in lengths]) == pytest.approx(1)
    assert translation_growth.exponent(lengths, [0.1 * length**2 for length in lengths]) == pytest.approx(2)
    assert translation_growth.exponent(lengths[-2:], [7, 7]) == 0


def recorded(monkeypatch: pytest.MonkeyPatch, *options: str) -> records.Result:
    results: list[records.Result] = []
    monkeypatch.setattr(records, "record", results.append)
    monkeypatch.setattr(translation_growth, "write_plot", lambda: None)
    monkeypatch.setattr(sys, "argv", ["growth", *options])
    translation_growth.main()
    (result,) = results
    return result


def test_every_point_is_measured_in_a_process_of_its_own_and_put_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = stub(monkeypatch)
    result = recorded(monkeypatch, "--threads", "1")
    points = {(10, 4000), (50, 4000), (500, 4000), (20, 4000), (20, 64_000)}
    for length, vocabulary in points:
        point = ["--length", str(length), "--vocabulary", str(vocabulary)]
        assert commands.count([*point, "--part", "train"]) == 1
        for beam in ("1", "4"):
            assert commands.count([*point, "--beam", beam, "--part", "search"]) == 1
    distinct = len(LENGTHS) + len(VOCABULARIES) - 1
    assert len(commands) == 3 * distinct + 1 + 2 * translation_growth.LONG_ROUNDS
    assert result.command == "python -m benchmarks.translation_growth --threads 1"
    assert "precision 32 and bf16" in result.title
    rows = {row.name: row for row in result.rows}
    assert len(rows) == len(result.rows)
    for kind in KINDS:
        time = rows[f"{kind}, 50 pieces: 1,000 target tokens"]
        expected = seconds_of(50, 4000)
        assert (time.low, time.value, time.high) == pytest.approx((0.9 * expected, expected, 1.5 * expected))
        assert rows[f"{kind}, vocabulary 64,000: 1,000 target tokens"].value == seconds_of(20, 64_000)
        assert rows[f"{kind}, 500 pieces: peak memory"].value == 500
        assert rows[f"{kind}: peak memory, 500 pieces over 10 pieces"].value == 1
        for name, exponent in (
            ("length, 10 to 500", 1.5),
            ("length, 200 to 500", 1.5),
            ("vocabulary, 4,000 to 64,000", 0.5),
            ("vocabulary, 32,000 to 64,000", 0.5),
        ):
            assert rows[f"{kind}: exponent of a sentence's time in {name}"].value == pytest.approx(exponent)


def test_what_becomes_of_a_very_long_line_is_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch)
    rows = {row.name: row for row in recorded(monkeypatch).rows}
    assert rows["2 lines, beam 4: translating"].value == 6
    assert rows["2 lines and one of 5,000 words among them: translating"].value == 9
    alike = rows["the 2 lines: translated as without it, in their places"]
    assert (alike.value, alike.met) == (50, False)  # of "a" and "B" the first is as it was
    assert rows["the line of 5,000 words: words of its translation"].value == 2
    assert rows["fit with a pair of 5,000 words: pairs left out and warned of"].met
    assert rows["fit with a pair of 5,000 words: pairs learnt from"].met


def test_the_plot_shows_the_lines_on_record_and_is_the_same_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plot = translation_growth.write_plot
    stub(monkeypatch)
    records.record(translation_growth.measure(threads=1), tmp_path)
    path = write_plot(tmp_path)
    written = path.read_bytes()
    assert path == tmp_path / "results" / "translation_growth.svg"
    root = ElementTree.fromstring(written)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {"".join(element.itertext()).strip() for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert set(KINDS) <= texts
    assert {"seconds, 1,000 tokens", "peak memory, MB", "500", "64,000"} <= texts
    assert b"var(" not in written
    assert write_plot(tmp_path).read_bytes() == written


def test_a_plot_of_nothing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"measure first, with python -m benchmarks\.translation_growth"):
        translation_growth.write_plot(tmp_path)


def test_the_page_of_benchmarks_shows_the_plot_of_what_is_on_record() -> None:
    page = (HERE / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"!\[[^\]]{20,}\]\(results/translation_growth\.svg\)", page) is not None
    record = HERE / "results" / "translation_growth.json"
    assert shown == record.exists() == record.with_suffix(".svg").exists()


def test_a_part_prints_its_figures_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(translation_growth_parts, "search", lambda *point: {"seconds": list(point)})
    monkeypatch.setattr(sys, "argv", ["growth", "--length", "50", "--vocabulary", "8000", "--beam", "4"])
    sys.argv += ["--part", "search"]
    translation_growth.main()
    assert json.loads(capsys.readouterr().out) == {"seconds": [50, 8000, 4]}

"""What a lesson is: a section of the paper, its examples worked, an exercise; as text, as a page, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from textwrap import fill
from typing import TYPE_CHECKING, Any

from latticework.calculus.derivation import Derivation, derive
from latticework.calculus.marking import Check, check
from latticework.calculus.reference import reference_text
from latticework.calculus.rules import NOTATION, RULES, Rule

if TYPE_CHECKING:
    from latticework.pages import Page, Table


WIDTH = 96


@dataclass(frozen=True)
class Example:
    """A worked example: what is derived, and what to see in it."""

    expression: str
    wrt: str
    shapes: Mapping[str, str]
    remark: str

    def derivation(self) -> Derivation:
        """Worked by the engine."""
        return derive(self.expression, self.wrt, self.shapes)


@dataclass(frozen=True)
class Exercise:
    """Something to derive; `check` marks an answer."""

    task: str
    expression: str
    wrt: str
    shapes: Mapping[str, str]
    hint: str

    @property
    def command(self) -> str:
        """What has an answer marked from a shell."""
        shapes = "".join(f" --shape '{name}:{sizes}'" for name, sizes in self.shapes.items())
        return f'latticework derive "{self.expression}" --wrt {self.wrt}{shapes} --check ANSWER'

    def check(self, answer: str) -> Check:
        """Say whether an answer is right."""
        return check(self.expression, self.wrt, answer, self.shapes)


@dataclass(frozen=True)
class Lesson:
    """A section of the paper.

    Attributes
    ----------
    name
        By which `lesson` finds it.
    title, section
        Of the section of the paper.
    refresher
        What it presupposes.
    paragraphs
        What it says.
    rules
        Ids of the rules that it introduces.
    examples
        Worked.
    exercise
        To be solved.
    reference
        Whether notation and all rules follow, as at the end of the paper.
    """

    name: str
    title: str
    section: str
    refresher: str
    paragraphs: tuple[str, ...]
    rules: tuple[str, ...]
    examples: tuple[Example, ...]
    exercise: Exercise = field(repr=False)
    reference: bool = False

    def text(self) -> str:
        """The lesson for a terminal, its examples worked step by step."""
        head = f"{self.title}  (Parr & Howard 2018, section {self.section})"
        blocks = [f"{head}\n{'=' * len(head)}", f"Before you begin. {self.refresher}", *self.paragraphs]
        written = [_filled(block) if not block.startswith(head) else block for block in blocks]
        for id_ in self.rules:
            rule = RULES[id_]
            condition = f"\n    if {rule.condition}" if rule.condition else ""
            written.append(f"{rule.name}:\n    {rule.statement}{condition}")
        for number, example in enumerate(self.examples, 1):
            written.append(f"Example {number}. {_filled(example.remark)}")
            written.append(example.derivation().text(steps=True))
        written.append(f"{_filled('Exercise. ' + self.exercise.task)}\n    {self.exercise.command}")
        written.append(_filled(f"Hint: {self.exercise.hint}"))
        if self.reference:
            written.append(reference_text())
        return "\n\n".join(written)

    def html(self) -> str:
        """The lesson as a self-contained page.

        Raises
        ------
        MissingExtraError
            Without the libraries of `latticework[pages]`.
        """
        return _page(self).html()

    def as_dict(self) -> dict[str, Any]:
        """The lesson as what JSON can hold."""
        return {
            "name": self.name,
            "title": self.title,
            "section": self.section,
            "refresher": self.refresher,
            "paragraphs": list(self.paragraphs),
            "rules": list(self.rules),
            "examples": [{**vars(each), "answer": each.derivation().text()} for each in self.examples],
            "exercise": vars(self.exercise),
        }


def _filled(text: str) -> str:
    return fill(text, WIDTH)


def _page(lesson: Lesson) -> Page:
    """The page of a lesson: what it says, its rules, its examples step by step, and the exercise."""
    from latticework.calculus.report import drawings, formulas, function, steps
    from latticework.pages import Code, Page, Section, Table

    rules = [_rules([RULES[name] for name in lesson.rules], "Rules of this lesson.")] if lesson.rules else []
    found = [
        Section("Before you begin", lesson.refresher),
        Section("The idea", lesson.paragraphs[0], paragraphs=lesson.paragraphs[1:], tables=rules),
    ]
    for number, example in enumerate(lesson.examples, 1):
        explanation = example.derivation().explanation
        name = f"Example {number}: {explanation.derivation.expression} by {explanation.derivation.wrt}"
        parts = [function(explanation), *steps(explanation), formulas(explanation.answer)]
        found.append(Section(name, example.remark, pictures=drawings(explanation), formulas=parts))
    exercise = lesson.exercise
    shapes = ", ".join(f"{name}: {shape or 'scalar'}" for name, shape in exercise.shapes.items())
    task = f"{exercise.expression} with respect to {exercise.wrt}, where {shapes}."
    marked = Code(exercise.command, "How to have an answer marked.")
    found.append(Section("Exercise", exercise.task, paragraphs=[task, f"Hint: {exercise.hint}"], code=[marked]))
    if lesson.reference:
        notation = Table(["written", "means"], [list(row) for row in NOTATION], "Notation.")
        every = _rules(RULES.values(), "All rules.")
        found.append(Section("Reference", "Notation, and all rules.", tables=[notation, every]))
    return Page(lesson.title, f"Parr & Howard 2018, section {lesson.section}.", found)


def _rules(rules: Iterable[Rule], caption: str) -> Table:
    from latticework.pages import Table

    rows = [[rule.name, rule.statement, rule.condition or None, rule.section] for rule in rules]
    return Table(["rule", "says", "if", "from"], rows, caption)

"""A derivation as a self-contained page, and as plain data."""

from __future__ import annotations

from typing import Any

from latticework.calculus.derivative import Derivative
from latticework.calculus.equations import Part, short_section
from latticework.calculus.explain import Explanation
from latticework.calculus.latex import latex
from latticework.calculus.mathml import MathML, element
from latticework.calculus.notation import written
from latticework.calculus.plain import sources, title
from latticework.calculus.typeset import Typesetter
from latticework.core.errors import InputError
from latticework.pages import Code, Formula, Formulas, Page, Picture, Section, Table

MOST_DRAWN = 60  # nodes of a graph that a reader still follows


def page(explanation: Explanation) -> Page:
    """The page of a derivation.

    Examples
    --------
    >>> from latticework.calculus.derivation import derive
    >>> page(derive("w .* x", "w", {"w": "n", "x": "n"}).explanation).title
    'Derivative of w .* x with respect to w'
    """
    intro = f"Each step names the rule that it follows. {sources(explanation)}"
    return Page(title(explanation), intro, sections(explanation))


def sections(explanation: Explanation) -> list[Section]:
    """The function, the steps, the answer, and what to heed."""
    derivation = explanation.derivation
    shapes = Table(["variable", "shape"], [[str(symbol), shape] for symbol, shape in explanation.given], "Given.")
    told = f"A {derivation.expression.shape_text}, differentiated with respect to {derivation.wrt}."
    found = [
        Section("Function", told, formulas=[function(explanation)], tables=[shapes]),
        *(
            Section("Data flow", "Intermediate variables, the innermost first.", pictures=[picture])
            for picture in drawings(explanation)
        ),
        Section("Steps", "From the function to its derivative.", formulas=steps(explanation)),
        Section("Answer", str(derivation.result), formulas=[formulas(explanation.answer)], code=_code(derivation)),
    ]
    heed = [*explanation.conditions, *explanation.kinks]
    if heed:
        found.append(Section("Where it holds", "Where it is defined, and where it has no derivative.", paragraphs=heed))
    return found


def steps(explanation: Explanation) -> list[Formulas]:
    """The parts of an explanation."""
    return [formulas(part) for part in explanation.parts]


def formulas(part: Part) -> Formulas:
    """A part as formulas of a page."""
    setter = Typesetter(part, MathML())
    lines = []
    for equation in part.equations:
        left = "" if equation.left is None else _shown(setter.side(equation.left))
        notes = [element(note) for note in setter.notes(equation)]
        reason = "; ".join(filter(None, [equation.cited, equation.reason]))
        lines.append(Formula(left, _shown(setter.side(equation.right)), reason, notes))
    return Formulas(lines, part.title, part.lead)


def _shown(markup: str) -> str:
    return element(f'<mstyle displaystyle="true">{markup}</mstyle>')


def function(explanation: Explanation) -> Formulas:
    """The function by its name."""
    derivation, style = explanation.derivation, MathML()
    symbol = explanation.graphs[0].result.symbol
    line = Formula(*(_shown(written(each, style).markup) for each in (symbol, derivation.expression)))
    return Formulas([line], "The function")


def drawings(explanation: Explanation) -> list[Picture]:
    """The data-flow graph of the function, if it is not too large to be looked at."""
    graph = explanation.graphs[0]
    if len(graph.nodes) > MOST_DRAWN:
        return []
    told = ", ".join(f"{node.symbol} = {node.short}" for node in graph.steps)
    caption = (
        f"How {graph.wrt.name} flows into {graph.result.name}; beside the edges are the derivatives of each by each."
    )
    return [Picture(graph.svg(), caption, f"Data-flow graph: {told}.")]


def _code(derivation: Derivative) -> list[Code]:
    try:
        source = derivation.source("numpy", name="derivative")
    except InputError:  # a size that no variable tells
        return []
    axes = "[axes of the function, axes of the variable]"
    return [Code(source, f"The derivative in NumPy, laid out as {axes}.")]


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """What a derivation says, in strings, numbers, lists and dictionaries.

    Examples
    --------
    >>> from latticework.calculus.derivation import derive
    >>> found = as_dict(derive("w .* x", "w", {"w": "n", "x": "n"}).explanation)
    >>> found["result"], found["shapes"], found["steps"][0]["rule"]["id"]
    ('diag(x)', {'w': 'n', 'x': 'n'}, 'elementwise-binary')
    """
    derivation = explanation.derivation
    return {
        "expression": str(derivation.expression),
        "shapes": {str(symbol): ",".join(map(str, symbol.shape)) for symbol, _ in explanation.given},
        "wrt": str(derivation.wrt),
        "order": derivation.order,
        "layout": derivation.layout,
        "result": str(derivation.result),
        "latex": latex(derivation.result),
        "shape": [str(size) for size in derivation.result.shape],
        "shape_in_words": derivation.result.shape_text,
        "axes": [str(size) for size in derivation.shape],
        "steps": [
            {
                "order": step.order,
                "rule": {
                    "id": step.rule.id,
                    "name": step.rule.name,
                    "section": short_section(step.rule),
                    "source": step.rule.section,
                },
                "where": str(step.where),
                "before": str(step.before),
                "after": str(step.after),
                "note": step.note,
                "reading": step.reading,
            }
            for step in derivation.steps
        ],
        "assumptions": {name: sorted(node.data[2]) for name, node in derivation.parameters.items() if node.data[2]},
        "conditions": explanation.conditions,
        "kinks": explanation.kinks,
    }

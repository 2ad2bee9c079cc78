import re
from xml.etree import ElementTree

import numpy as np
import pytest

from latticework.calculus import derive, parse
from latticework.calculus.evaluate import evaluate
from latticework.calculus.graph import graph
from latticework.calculus.points import point
from latticework.calculus.tree import variables

SVG = "{http://www.w3.org/2000/svg}"
NETWORK = (
    "sum(relu(W2*relu(W1*x + b1) + b2).^2) + x'*x + sum(exp(x))",
    {"W1": "m,n", "W2": "k,m", "x": "n", "b1": "m", "b2": "k"},
)


def flow(text, wrt, shapes):
    root = parse(text, shapes)
    return graph(root, variables(root)[wrt])


def boxes(svg):
    """Left, top, right, bottom of every node."""
    found = []
    for box in ElementTree.fromstring(svg).iter(f"{SVG}rect"):
        x, y, width, height = (float(box.get(name)) for name in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    return found


def test_intermediate_variables_are_named_from_the_inside_out():
    found = flow("log(sin(x^3)^2)", "x", {"x": ""})
    assert [f"{node.name} = {node.short}" for node in found.steps] == [
        "u1 = x^3",
        "u2 = sin(u1)",
        "u3 = u2^2",
        "y = log(u3)",
    ]


def test_a_shared_part_has_one_name():
    found = flow("exp(x^2) + x^2", "x", {"x": ""})
    assert [str(node.short) for node in found.steps] == ["x^2", "exp(u1)", "u2 + u1"]


def test_a_matrix_has_a_capital_letter():
    found = flow("tr(A*X)", "X", {"A": "m,n", "X": "n,m"})
    assert [node.name for node in found.steps] == ["U1", "y"]


def test_what_does_not_depend_on_the_variable_has_no_name():
    found = flow("exp(a)*x + sin(b)", "x", {"a": "", "b": "", "x": ""})
    assert [str(node.short) for node in found.steps] == ["exp(a)*x", "u1 + sin(b)"]


@pytest.mark.parametrize("taken", ["u1", "U1", "u", "u_3"])
def test_names_of_the_users_variables_are_not_given_again(taken):
    found = flow(f"sin({taken}*x)^2 + y*f", "x", {taken: "", "x": "", "y": "", "f": ""})
    names = [node.name for node in found.nodes]
    assert len({name.lower() for name in names}) == len(names)
    assert found.result.name == "g"


def test_names_expand_to_what_they_stand_for():
    found = flow("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"})
    assert found.expanded(found.result.symbol) is found.result.whole
    assert str(found.shortened(found.result.whole)) == "f"
    assert str(found.expanded(found.steps[-1].short)) == "norm2(X*w - y)^2"


def test_a_sum_is_shortened_by_a_part_of_it():
    found = flow("relu(X*w + b)", "w", {"X": "N,n", "w": "n", "b": ""})
    assert str(found.shortened(parse("X*w + b - y", {"X": "N,n", "w": "n", "b": "", "y": "N"}))) == "u2 - y"


def test_rates_are_the_derivatives_of_each_by_each():
    found = flow(NETWORK[0], "x", NETWORK[1])
    sizes = {"n": 3, "m": 4, "k": 2}
    arrays = point(found.result.whole, sizes, np.random.default_rng(0))
    values = {node.name: evaluate(node.whole, arrays) for node in found.nodes}
    checked = 0
    for edge in found.edges:
        if edge.rate is None:
            continue
        target = next(node for node in found.nodes if node.name == edge.target)
        step = 1e-6 * np.random.default_rng(1).normal(size=values[edge.source].shape)
        moved = [
            evaluate(target.short, {**arrays, **values, edge.source: values[edge.source] + sign * step})
            for sign in (1, -1)
        ]
        expected = (moved[0] - moved[1]) / 2
        rate = evaluate(edge.rate, {**arrays, **values})
        np.testing.assert_allclose(np.tensordot(rate, step, axes=step.ndim), expected, rtol=1e-5, atol=1e-14)
        checked += 1
    assert checked == sum(edge.flows for edge in found.edges)


def test_edges_from_other_variables_carry_nothing():
    found = flow("X*w", "w", {"X": "N,n", "w": "n"})
    assert [(edge.source, edge.flows, edge.rate is None) for edge in found.edges] == [
        ("X", False, True),
        ("w", True, False),
    ]


def test_every_node_is_drawn_with_its_definition_and_its_shape():
    found = flow("norm2(X*w - y)^2", "w", {"X": "N,n", "w": "n", "y": "N"})
    texts = [element.text for element in ElementTree.fromstring(found.svg()).iter(f"{SVG}text")]
    for expected in ("w", "X", "y", "u1 = X*w", "u2 = u1 - y", "u3 = norm2(u2)", "f = u3^2", "N×n matrix", "2*u3"):
        assert expected in texts


def test_edges_go_down_and_boxes_do_not_touch():
    svg = flow(NETWORK[0], "x", NETWORK[1]).svg()
    found = boxes(svg)
    assert len(found) == 17
    for place, one in enumerate(found):
        for other in found[place + 1 :]:
            apart = one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
            assert apart, (one, other)
    for path in re.findall(r'd="(M[^"]*C[^"]*)"', svg):
        heights = [float(number) for number in re.findall(r"-?\d+\.\d", path)[1::2]]
        assert heights == sorted(heights)


def test_everything_lies_within_the_picture():
    svg = flow(NETWORK[0], "x", NETWORK[1]).svg()
    _, _, width, height = map(float, re.search(r'viewBox="([^"]*)"', svg)[1].split())
    for left, top, right, bottom in boxes(svg):
        assert min(left, top) >= 0
        assert right <= width
        assert bottom <= height


def curves(svg):
    """Points along every edge: the corners of its lines, and 40 points of each curve."""
    steps = np.linspace(0, 1, 40)[:, None]
    for path in re.findall(r'd="(M[^"]*C[^"]*)"', svg):
        ways = [
            np.array(re.findall(r"-?\d+\.\d", way), dtype=float).reshape(-1, 2) for way in re.split("[MLC]", path)[1:]
        ]
        points, at = [ways[0]], ways[0][0]
        for way in ways[1:]:
            if len(way) == 3:
                one, two, end = way
                early = (1 - steps) ** 3 * at + 3 * (1 - steps) ** 2 * steps * one
                points.append(early + 3 * (1 - steps) * steps**2 * two + steps**3 * end)
            at = way[-1]
        yield np.concatenate(points)


@pytest.mark.parametrize(
    "text, wrt, shapes",
    [
        ("x'*A*x", "x", {"x": "n", "A": "n,n"}),
        ("norm2(X*w - y)^2 + c*norm2(w)^2", "w", {"X": "N,n", "w": "n", "y": "N", "c": ""}),
        ("mean((y - relu(X*w + b)).^2)", "w", {"X": "N,n", "w": "n", "y": "N", "b": ""}),
    ],
)
def test_no_derivative_is_written_across_an_edge(text, wrt, shapes):
    found = flow(text, wrt, shapes)
    svg, rates = found.svg(), {str(edge.rate) for edge in found.edges if edge.flows}
    written = [each for each in ElementTree.fromstring(svg).iter(f"{SVG}text") if each.text in rates]
    assert written
    for each in written:
        left, foot = float(each.get("x")), float(each.get("y"))
        for points in curves(svg):
            beside = (points[:, 0] < left) | (points[:, 0] > left + 7 * len(each.text))
            assert (beside | (points[:, 1] < foot - 9) | (points[:, 1] > foot + 2)).all(), each.text


def test_the_variable_stands_out_and_colours_follow_the_page():
    svg = derive("x^2", "x", {"x": ""}).svg()
    assert "var(--accent, #" in svg
    assert not re.search(r"(?<!, )#[0-9a-f]{6}", svg)


def test_forty_nodes_are_drawn():
    text = "x"
    for _ in range(40):
        text = f"sin({text} + a)"
    found = flow(text, "x", {"x": "", "a": ""})
    assert len(boxes(found.svg())) == len(found.nodes) == 82


def test_hostile_names_and_comparisons_are_escaped():
    svg = flow("sum((script < 0) .* __import__ .* x)", "x", {"script": "n", "__import__": "n", "x": "n"}).svg()
    root = ElementTree.fromstring(svg)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {"svg", "g", "title", "rect", "text", "path"}
    assert any("script < 0" in (element.text or "") for element in root.iter())


def test_the_graph_of_a_derivation_is_that_of_its_stable_form():
    found = derive("sum(log(1 + exp(x)))", "x", {"x": "n"}).graph
    assert [str(node.short) for node in found.steps] == ["softplus(x)", "sum(u1)"]


def test_a_variable_that_is_not_there_stands_alone():
    found = derive("a + b", "x", {"a": "n", "b": "n", "x": "n"}).graph
    assert found.wrt.name == "x"
    assert not any(edge.flows for edge in found.edges)
    assert len(boxes(found.svg())) == 4


def test_the_variable_itself_is_a_graph_of_one_edge():
    found = derive("x", "x", {"x": "n"}).graph
    assert [(edge.source, edge.target, str(edge.rate)) for edge in found.edges] == [("x", "y", "eye")]


def test_a_sum_within_a_longer_one_takes_no_term_that_is_there_once_more():
    shapes = {"x": "", "b": ""}
    assert str(flow("sin(x + b)", "x", shapes).shortened(parse("x + x + b + b", shapes))) == "u1 + x + b"

"""The tour's stop derives the paper's neuron and loss, and says what it measured."""

from __future__ import annotations

from latticework.calculus import tour
from latticework.pages import Page


def test_the_stop_shows_both_derivations_with_their_graphs_and_was_checked():
    section = tour.stop(seed=0)
    assert "(w'*x + b > 0)*x'" in section.summary
    assert "2*((X*w + b - y) .* (X*w + b > 0))'*X/N" in section.summary
    facts = dict(section.facts)
    assert facts["points compared with automatic differentiation"] >= 12
    assert float(facts["largest difference"]) < 1e-12
    assert len(section.pictures) == 2
    page = Page("Tour", "All of it.", [section]).html()
    assert "neuron activation" in page
    assert "loss of a neuron, sample by sample" in page
    assert page.count("<math") > 20

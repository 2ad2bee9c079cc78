"""The rules are told as the registry has them."""

from __future__ import annotations

from pathlib import Path

from latticework.calculus.reference import rules_page, rules_text
from latticework.calculus.rules import RULES

PAGE = Path(__file__).parents[2] / "docs" / "capabilities" / "calculus-rules.md"


def test_the_page_of_the_documentation_is_what_the_registry_says():
    assert PAGE.read_text(encoding="utf-8") == rules_page()


def test_every_rule_is_listed_with_its_source_and_condition():
    told = rules_text()
    for rule in RULES.values():
        assert f"{rule.name} ({rule.section})\n    {rule.statement}" in told
        assert rule.condition in told


def test_names_and_ids_of_rules_are_their_own():
    assert len({rule.name for rule in RULES.values()}) == len(RULES)
    assert all(id_ == rule.id for id_, rule in RULES.items())

"""The registry of rules as text, for people and for the documentation."""

from __future__ import annotations

from dataclasses import asdict

from latticework.calculus.rules import NOTATION, RULES


def rules_text() -> str:
    """All rules, a paragraph each.

    Examples
    --------
    >>> print(rules_text().splitlines()[0])
    constant rule (Parr & Howard 2018, section 2)
    """
    blocks = []
    for rule in RULES.values():
        lines = [f"{rule.name} ({rule.section})", f"    {rule.statement}"]
        if rule.condition:
            lines.append(f"    if {rule.condition}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def rules_json() -> list[dict[str, str]]:
    """All rules with all that is known of them."""
    return [asdict(rule) for rule in RULES.values()]


def rules_page() -> str:
    """The page of the documentation that lists all rules: `docs/capabilities/calculus-rules.md`."""
    rows = ["| rule | says | if | source |", "|:--|:--|:--|:--|"]
    for rule in RULES.values():
        cells = (rule.name, f"`{rule.statement}`", rule.condition, rule.section)
        rows.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    head = (
        "# The rules of matrix calculus\n\n"
        "Every step of a derivation names one of these. The page is written from the registry that the engine cites, "
        "which `latticework derive --rules` prints.\n"
    )
    notation = ["| written | means |", "|:--|:--|", *(f"| `{written}` | {meaning} |" for written, meaning in NOTATION)]
    return "\n".join([head, *rows, "\n## Notation\n", *notation]) + "\n"


def reference_text() -> str:
    """Notation and rules, as the end of the paper has them."""
    width = max(len(name) for name, _ in NOTATION)
    notation = "\n".join(f"    {name:<{width}}  {meaning}" for name, meaning in NOTATION)
    return f"Notation\n{notation}\n\nRules\n\n{rules_text()}"

"""Pictures and self-contained HTML pages: what a capability's report and the tour are made of."""

from latticework.pages.lines import history_plot, line_plot
from latticework.pages.matrix import heat_map
from latticework.pages.page import Code, Formula, Formulas, Page, Section, Table
from latticework.pages.passage import Mark, Passage, Passages
from latticework.pages.picture import Picture

__all__ = [
    "Page",
    "Section",
    "Table",
    "Formulas",
    "Formula",
    "Code",
    "Passages",
    "Passage",
    "Mark",
    "Picture",
    "line_plot",
    "history_plot",
    "heat_map",
]

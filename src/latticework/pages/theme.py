"""The colours of a page and of its pictures, for light and for dark surroundings.

Both palettes have the same names; `tests/pages/test_theme.py` holds them to the contrast of WCAG 2.2 (level AA).
"""

SERIES = 6  # colours that stay apart for colour-blind readers, dashes helping; `line_plot` says how many lines it takes

LIGHT = {
    "paper": "#fcfbf8",
    "surface": "#f2f0ea",
    "rule": "#dedbd2",
    "ink": "#20242b",
    "muted": "#5c626d",
    "accent": "#1d5489",
    "heat": "#174d80",
    "series-1": "#1d5e9b",
    "series-2": "#c2491d",
    "series-3": "#17796a",
    "series-4": "#8446a0",
    "series-5": "#8a6500",
    "series-6": "#a82d5f",
}
DARK = {
    "paper": "#15181c",
    "surface": "#1e2228",
    "rule": "#363c45",
    "ink": "#e7e5df",
    "muted": "#a3a9b3",
    "accent": "#8dbdee",
    "heat": "#9ccbf8",
    "series-1": "#7fb5ec",
    "series-2": "#f0946a",
    "series-3": "#5cc6b0",
    "series-4": "#c99de0",
    "series-5": "#d8b24c",
    "series-6": "#f08db0",
}


def colour(place: int) -> str:
    """The name of the colour of what is at that place, such as the n-th line or label.

    Examples
    --------
    >>> colour(0), colour(6)
    ('series-1', 'series-1')
    """
    return f"series-{place % SERIES + 1}"

"""Matplotlib figures as SVG: the same bytes every time, colours that follow the page, ids that cannot clash.

Colours of the light theme become CSS variables with that colour as the fallback. A raster holds opacity only: it turns
into a mask over the theme's heat colour. One unit of the picture is one CSS pixel.
"""

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from latticework.core.errors import InputError, require
from latticework.pages.plotting import default_parameters
from latticework.pages.theme import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONT_SIZE = 12.0
DOTS_PER_INCH = 72  # of Matplotlib's SVG writer: makes its points, and so our units, pixels
_HREF = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"^#(\S+)$|url\(#([^)]+)\)")
_VARIABLE = {colour: f"var(--{name}, {colour})" for name, colour in LIGHT.items()}
_PARAMETERS = {
    "font.size": FONT_SIZE,
    "image.composite_image": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "latticework",
    "text.color": LIGHT["ink"],
    "text.parse_math": False,
}


def draw(width: float, height: float, paint: Callable[["Figure"], None]) -> str:
    """Give the SVG of what `paint` draws on a figure of `width` by `height` pixels.

    The result depends on nothing but the arguments: a user's matplotlibrc, style or earlier drawing has no influence,
    and is as it was afterwards.

    Raises
    ------
    MissingExtraError
        Without Matplotlib.
    """
    figure_module = require("matplotlib.figure", extra="pages", purpose="drawing pictures")
    stream = io.BytesIO()
    with default_parameters(_PARAMETERS), warnings.catch_warnings():
        # The page's fonts draw the text, not Matplotlib's: that its own font lacks a glyph is of no interest.
        warnings.filterwarnings("ignore", message=r"(?s)Glyph .* missing from", category=UserWarning)
        size = (width / DOTS_PER_INCH, height / DOTS_PER_INCH)
        figure = figure_module.Figure(figsize=size, dpi=DOTS_PER_INCH, facecolor="none")
        paint(figure)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _tidy(stream.getvalue(), width, height)


def inline(svg: str, *, prefix: str, title: str) -> str:
    """Give the SVG as part of a page: ids begin with `prefix`, and `title` is what a screen reader says of it.

    Raises
    ------
    InputError
        If `svg` is not well-formed.
    """
    try:
        root = ElementTree.fromstring(_without_namespaces(svg))
    except ElementTree.ParseError as error:
        raise InputError(f"The SVG of a picture must be well-formed XML, but {error}.") from error
    _rename_ids(root, prefix)
    for name in ("xmlns", "width", "height"):
        root.attrib.pop(name, None)
    root.attrib.update({"role": "img", "aria-label": title})
    return ElementTree.tostring(root, encoding="unicode")


def width_of(svg: str) -> float:
    """Width in pixels at which the picture was drawn."""
    found = re.search(r'viewBox="\S+ \S+ (\S+) \S+"', svg)
    return float(found.group(1)) if found else 400.0


def _tidy(written: bytes, width: float, height: float) -> str:
    root = ElementTree.fromstring(written)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        if _HREF in element.attrib:
            element.set("href", re.sub(r"\s", "", element.attrib.pop(_HREF)))
        if "style" in element.attrib:
            element.set("style", _page_style(element.attrib["style"]))
        if element.tag != "text" and not (element.text or "").strip():
            element.text = None
        element.tail = None
        for child in list(element):
            # The style sheet in the definitions would reach the whole page; the root element takes its place.
            if child.tag.endswith(("}metadata", "}style")):
                element.remove(child)
    for number, image in enumerate(list(root.iter("image"))):
        _tint(image, f"mask{number}")
    _rename_ids(root, "")
    root.attrib.clear()
    root.attrib.update(
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width:g} {height:g}",
            "width": f"{width:g}",
            "height": f"{height:g}",
            "font-family": "system-ui, sans-serif",
            "stroke-linejoin": "round",
        }
    )
    return ElementTree.tostring(root, encoding="unicode")


def _page_style(style: str) -> str:
    style = re.sub(r"font-family:[^;]*;?\s*", "", style)
    style = re.sub(r"font: ([\d.]+px)[^;]*", r"font-size: \1", style)
    return re.sub(r"#[0-9a-f]{6}", lambda found: _VARIABLE.get(found.group(), found.group()), style)


def _tint(image: ElementTree.Element, identity: str) -> None:
    """Turn the element of a raster into a group: the raster as a mask over a rectangle of the heat colour."""
    raster = dict(image.attrib)
    transform = raster.pop("transform")
    size = {"width": raster["width"], "height": raster["height"]}
    image.tag = "g"
    image.attrib.clear()
    image.set("transform", transform)
    ElementTree.SubElement(ElementTree.SubElement(image, "mask", {"id": identity}), "image", raster)
    style = f"fill: {_VARIABLE[LIGHT['heat']]}"
    ElementTree.SubElement(image, "rect", {**size, "mask": f"url(#{identity})", "style": style})


def _rename_ids(root: ElementTree.Element, prefix: str) -> None:
    """Put `prefix` before every id something refers to, and drop the others."""
    used = {name for element in root.iter() for value in element.attrib.values() for name in _references(value)}
    for element in root.iter():
        if "id" in element.attrib:
            identity = element.attrib.pop("id")
            if identity in used:
                element.set("id", prefix + identity)
        for name, value in element.attrib.items():
            if name == "href" and value.startswith("#"):
                element.set(name, "#" + prefix + value[1:])
            elif "url(#" in value:
                element.set(name, value.replace("url(#", f"url(#{prefix}"))


def _references(value: str) -> list[str]:
    return [first or second for first, second in _REFERENCE.findall(value)]


def _without_namespaces(svg: str) -> str:
    return re.sub(r'\sxmlns="[^"]*"', "", svg, count=1)

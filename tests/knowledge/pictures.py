"""What is in a picture: its elements, points and texts."""

from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture):
    return ElementTree.fromstring(picture.svg)


def circles(picture, colour):
    return [
        (float(dot.get("cx")), float(dot.get("cy")))
        for dot in parsed(picture).iter(f"{SVG}circle")
        if f"--{colour}," in dot.get("style")
    ]


def texts(picture):
    return [text.text for text in parsed(picture).iter(f"{SVG}text")]

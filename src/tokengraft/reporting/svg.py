"""A matplotlib figure as an SVG that belongs to the page: text stays text, colours and fonts are the style sheet's."""

import io
import re
import warnings
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
LINK = "{http://www.w3.org/1999/xlink}href"

# Matplotlib knows no CSS variables: each stands for one while drawing.
INK, MUTED, RULE, ACCENT, SOFT, GREY = "#010001", "#010002", "#010003", "#010004", "#010005", "#010006"
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    ACCENT: "var(--accent)",
    SOFT: "var(--accent-soft)",
    GREY: "var(--grey)",
}
SETTINGS = {
    "svg.fonttype": "none",
    "font.size": 12,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
}

ElementTree.register_namespace("", SVG)


def inline_svg(figure: Figure, name: str, description: str) -> Markup:
    """The figure as an `<svg>` element: no metadata, no style attribute, no colour of its own, ids that are its own.

    `name` keeps ids of several figures on a page apart; `description` is what a screen reader says.
    """
    root = ElementTree.fromstring(_drawn(figure, name))  # noqa: S314 (matplotlib wrote it a line ago)
    for unwanted in ("metadata", "defs"):
        for element in root.findall(f"{{{SVG}}}{unwanted}"):
            if unwanted == "metadata" or element.find(f"{{{SVG}}}style") is not None:
                root.remove(element)
    used = _references(root)
    for element in root.iter():
        _adopt(element, used, name)
    view = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib.update({"viewBox": view, "role": "img", "aria-label": description, "class": "chart"})
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 (a serialised tree is escaped)


def _drawn(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    with mpl.rc_context({**SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        # Glyphs are looked for only to measure the text; the reader's fonts draw it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def _references(root: ElementTree.Element) -> set[str]:
    values = [value for element in root.iter() for value in element.attrib.values()]
    links = {element.attrib[LINK].removeprefix("#") for element in root.iter() if LINK in element.attrib}
    return links | set(re.findall(r"url\(#([^)]+)\)", " ".join(values)))


def _adopt(element: ElementTree.Element, used: set[str], name: str) -> None:
    """Presentation attributes for the style attribute, which a strict content policy would not let act."""
    attributes = element.attrib
    for declaration in filter(None, attributes.pop("style", "").split(";")):
        key, _, value = declaration.partition(":")
        attributes.update(_presentation(key.strip(), value.strip()))
    if LINK in attributes:
        attributes["href"] = f"#{name}-{attributes.pop(LINK).removeprefix('#')}"
    if "clip-path" in attributes:
        attributes["clip-path"] = attributes["clip-path"].replace("url(#", f"url(#{name}-")
    identity = attributes.pop("id", None)
    if identity in used:
        attributes["id"] = f"{name}-{identity}"


def _presentation(key: str, value: str) -> dict[str, str]:
    if key == "font-family":
        return {}
    if key == "font":  # matplotlib before 3.10 writes the shorthand, which is no attribute
        found = re.search(r"([\d.]+px)", value)
        return {"font-size": found.group(1)} if found else {}
    return {key: VARIABLES.get(value, value)}

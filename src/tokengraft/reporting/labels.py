"""Names beside the points of a chart, none of which lies on another or on the legend."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from tokengraft.reporting.svg import INK
from tokengraft.reporting.text import inline, readable

MOST, LETTERS = 14, 16
"""Names in one chart, and letters of a name at most."""

SIZE, WIDE, HIGH = 10, 6.4, 13.0
"""Pixels: of the letters, of the advance of one and of a line; a little more than they take."""

LEGEND = (150.0, 64.0)
"""Width and height of the corner that the legend has, at the top left."""

SIDES = ((5, 4, 0), (5, -12, 0), (-5, 4, 1), (-5, -12, 1))
"""Places of a name about its point: pixels to the right and up, and whether it ends there instead of beginning."""


def label_some(axes: Axes, points: Sequence[tuple[float, float, str]]) -> int:
    """How many of `points` (x, y, name) got their names: spread evenly over them, and only where there is room."""
    figure = axes.get_figure(root=True)
    assert figure
    figure.draw_without_rendering()  # only then is it known where a point lies
    low, top = axes.transAxes.transform((0, 1))
    right, bottom = axes.transAxes.transform((1, 0))
    taken = [(low, top - LEGEND[1], low + LEGEND[0], top)]
    step = max(1, len(points) // (3 * MOST))
    for x, y, name in points[::step]:
        text = readable(inline(name))[:LETTERS]
        across, up = axes.transData.transform((x, y))
        for right_by, up_by, ends in SIDES:
            begin = across + right_by - ends * WIDE * len(text)
            box = (begin, up + up_by, begin + WIDE * len(text), up + up_by + HIGH)
            inside = box[0] >= low and box[2] <= right and box[1] >= bottom and box[3] <= top
            if inside and not any(_touch(box, other) for other in taken):
                taken.append(box)
                axes.annotate(
                    text, (x, y), (right_by, up_by), textcoords="offset points", color=INK, fontsize=SIZE,
                    ha="right" if ends else "left", bbox={"facecolor": "none", "edgecolor": "none", "pad": 0},
                )  # fmt: skip
                break
        if len(taken) > MOST:
            break
    return len(taken) - 1


def _touch(first: tuple[float, float, float, float], second: tuple[float, float, float, float]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]

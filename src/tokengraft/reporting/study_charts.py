"""Charts of a study: paired differences with their intervals, and the KL on held-out windows as it fell."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from tokengraft.reporting.svg import ACCENT, GREY, INK, MUTED, RULE, SETTINGS, inline_svg
from tokengraft.reporting.text import readable

WIDTH, ROW, LONGEST = 440, 22, 34
MOST_CURVES = 6
PIECES = {"first": "<", "middle": "|", "last": ">"}
LINES = ((ACCENT, "-"), (INK, "-"), (ACCENT, "--"), (INK, "--"), (MUTED, "-"), (MUTED, ":"))


def differences(rows: Sequence[Mapping[str, Any]], column: str, study: Mapping[str, Any]) -> Markup:
    """One line for each variant: its difference from the reference in a column, seed by seed, with the interval."""
    shown = [row for row in rows if row["values"][column]["difference"] is not None]
    heading = study["columns"][column]["heading"]
    with mpl.rc_context(SETTINGS):
        figure, axes = _canvas(86 + ROW * max(1, len(shown)))
        axes.axvline(0, color=MUTED, linewidth=1)
        for place, row in enumerate(shown):
            value = row["values"][column]
            sure = value["high"] is not None and not value["low"] <= 0 <= value["high"]
            colour = ACCENT if sure else GREY
            if value["low"] is not None:
                axes.plot([value["low"], value["high"]], [place, place], color=colour, linewidth=2)
            axes.plot([value["difference"]], [place], marker="s", markersize=6, color=colour)
        axes.set_yticks(range(len(shown)), [_short(row["name"]) for row in shown])
        axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=10)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        _frame(axes, [row["values"][column] for row in shown])
        axes.set_xlabel(f"against {_short(study['reference'])}; left of 0 is less")
        axes.spines[["left"]].set_visible(False)
        axes.set_title(heading)
    spoken = "; ".join(f"{row['name']}: {row['values'][column]['difference']:+.4f}" for row in shown)
    return inline_svg(figure, f"differences-{column}", readable(f"Differences in {heading}. {spoken}"))


def _frame(axes: Any, values: Sequence[Mapping[str, float]]) -> None:
    """Limits by the differences themselves: one interval over two wild seeds would press all others flat."""
    reach = max((abs(value["difference"]) for value in values), default=0.0)
    near = sorted(abs(value["difference"]) for value in values)[: max(1, int(0.9 * len(values)))]
    edge = 1.3 * max(near[-1] if near else 0.0, 0.4 * reach) or 1.0
    axes.set_xlim(-edge, edge)


def curves(study: Mapping[str, Any], axis: str) -> Markup | None:
    """KL on held-out windows against `step` or `seconds`, means over seeds; None where nothing was trained.

    The reference, the target and those that end lowest.
    """
    found = mean_curves(study, axis)
    if not found:
        return None
    wanted = [name for name in dict.fromkeys((study["reference"], study["target"])) if name in found]
    lowest = sorted(found, key=lambda name: found[name][-1][1])
    names = [*wanted, *(name for name in lowest if name not in wanted)][:MOST_CURVES]
    with mpl.rc_context(SETTINGS):
        figure, axes = _canvas(320)
        for name, (colour, line) in zip(names, LINES, strict=False):
            at, kl = zip(*found[name], strict=True)
            axes.plot(at, kl, color=colour, linestyle=line, linewidth=1.8, label=_short(name))
        axes.set_xlabel("step" if axis == "step" else "CPU seconds of training")
        axes.set_title("KL to the base on held-out windows, nats a boundary")
        axes.grid(axis="y", color=RULE, linewidth=0.7)
        axes.legend(frameon=False, fontsize=10)
    spoken = "; ".join(f"{name}: {found[name][0][1]:.3f} to {found[name][-1][1]:.3f}" for name in names)
    return inline_svg(figure, f"curves-{axis}", readable(f"KL by {axis}. {spoken}"))


def mean_curves(study: Mapping[str, Any], axis: str) -> dict[str, list[tuple[float, float]]]:
    """By variant: (step or seconds, KL), look by look, means over its seeds; the shortest seed ends the curve."""
    found = {}
    for row in study["rows"]:
        each = [cell["curve"] for cell in study["cells"] if cell["variant"] == row["name"] and cell["curve"]]
        if each:
            length = min(map(len, each))
            table = np.array([[[point[axis], point["kl"]] for point in curve[:length]] for curve in each])
            found[row["name"]] = [(float(at), float(kl)) for at, kl in table.mean(0)]
    return found


def cosines(study: Mapping[str, Any], table: str) -> Markup | None:
    """Where the rows of a table lie after training, by variant: centred cosine to the first, middle and last piece.

    As the thesis' Figures 12 (`inputs`) and 13 (`head`), with the cosine to an old row drawn at random as a baseline.
    None where nothing was measured.
    """
    found = {row["name"]: means for row in study["rows"] if (means := mean_cosines(study, row["name"], table))}
    if not found:
        return None
    with mpl.rc_context(SETTINGS):
        figure, axes = _canvas(100 + ROW * len(found))
        for place, means in enumerate(found.values()):
            axes.plot([means["first"], means["last"]], [place, place], color=RULE, linewidth=1.5, zorder=0)
        for (name, marker), colour in zip(PIECES.items(), (ACCENT, MUTED, INK), strict=True):
            axes.plot([means[name] for means in found.values()], range(len(found)), marker=marker, color=colour,
                      linestyle="none", markersize=6, label=name)  # fmt: skip
        axes.axvline(
            float(np.mean([means["random"] for means in found.values()])), color=GREY, linewidth=1, label="random"
        )
        axes.set_yticks(range(len(found)), [_short(name) for name in found])
        axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=10)
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.spines[["left"]].set_visible(False)
        axes.set_xlabel("centred cosine to the row of that piece")
        axes.set_title({"inputs": "Input rows", "head": "Head rows"}[table])
        axes.legend(
            frameon=False, fontsize=10, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.16 - 0.5 / len(found))
        )
    spoken = "; ".join(f"{name}: first {means['first']:.2f}, last {means['last']:.2f}" for name, means in found.items())
    return inline_svg(figure, f"cosines-{table}", readable(f"Cosines of the {table} rows. {spoken}"))


def mean_cosines(study: Mapping[str, Any], variant: str, table: str) -> dict[str, float] | None:
    """Means over seeds, by place; None where a cell has none. A place that no token has is not a number."""
    cells = [cell for cell in study["cells"] if cell["variant"] == variant]
    if not all("cosines" in cell for cell in cells):
        return None
    each = [cell["cosines"][table] for cell in cells]
    return {
        place: float(np.mean([np.nan if one[place] is None else one[place] for one in each]))
        for place in (*PIECES, "random")
    }


def _canvas(height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, layout="constrained")
    return figure, figure.subplots()


def _short(label: str) -> str:
    text = readable(label)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

"""Charts of what was measured: documents, calibration, divergence behind new tokens, and where the new rows lie."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from tokengraft.reporting.charts import canvas, limits, smoothed
from tokengraft.reporting.data import Token
from tokengraft.reporting.evidence import Curve, Detail, Difference, RowMap, Table
from tokengraft.reporting.labels import label_some
from tokengraft.reporting.numbers import count, decimal, percent, signed
from tokengraft.reporting.svg import ACCENT, GREY, INK, MUTED, RULE, SETTINGS, SOFT, inline_svg
from tokengraft.reporting.text import readable

MOST_POINTS = 600
"""Points of a scatter chart; each takes about 70 bytes of the page."""
FEW = 12
"""Points of a curve that are drawn as they are; more are smoothed."""
CONTROL = "control "
COMPARABLE = ("nats_per_base_token", "domain_bits_per_byte", "general_bits_per_byte")
"""Losses that are counted on the same text whatever the tokenizer."""
LOSSES = {
    "cross_entropy": "nats a token",
    "nats_per_base_token": "nats a base token",
    "domain_bits_per_byte": "bits a byte, held-out domain",
    "general_bits_per_byte": "bits a byte, held-out general",
}


def documents(
    base: Detail, final: Detail, labels: tuple[str, str] = ("base", "with the new tokens"), name: str = "documents"
) -> Markup | None:
    """Bytes a token of each document, before and after; None where the two were not read on the same documents.

    `name` keeps several charts of a page apart.
    """
    before, after = base.domain, final.domain
    if before is None or after is None or before.names != after.names or not before.names:
        return None
    sizes, old, new = (np.array(each) for each in (before.bytes, before.tokens, after.tokens))
    real = (old > 0) & (new > 0)
    x, y = (sizes[real] / each[real] for each in (old, new))
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(300)
        top = 1.05 * max(x.max(), y.max())
        low = 0.95 * min(x.min(), y.min())
        axes.plot([low, top], [low, top], color=GREY, linewidth=1, linestyle="--")
        axes.scatter(*_some(x, y), s=18, color=ACCENT, alpha=0.6, linewidths=0)
        axes.set(xlim=(low, top), ylim=(low, top), xlabel=readable(labels[0]), ylabel=readable(labels[1]))
        axes.set_title("Bytes a token, by document")
        _grid(axes, "both")
    better = int((y > x).sum())
    return inline_svg(figure, name, f"Bytes a token by document: more in {better} of {len(x)} documents")


def saved_by_frequency(tokens: Sequence[Token]) -> Markup | None:
    """How often each token's pair stood in the corpus, against the tokens that it saves."""
    points = [(token.count, token.saved) for token in tokens if token.count and token.saved]
    if len(points) < 3:
        return None
    x, y = np.array(points, dtype=np.float64).T
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(300)
        axes.scatter(*_some(x, y), s=12, color=ACCENT, alpha=0.5, linewidths=0)
        axes.set(xscale="log", yscale="log", xlabel="count when chosen", ylabel="tokens saved")
        axes.set_title("Frequency against tokens saved")
        axes.minorticks_off()
        for axis in (axes.xaxis, axes.yaxis):  # the usual labels of a logarithmic axis are mathematics, drawn as text
            axis.set_major_formatter(lambda value, _: count(value))
        _grid(axes, "both")
    return inline_svg(figure, "frequency", f"Count against tokens saved of {len(points)} new tokens")


def calibration(details: Sequence[Detail]) -> Markup | None:
    """How often a new token came, where the model gave new tokens so much probability."""
    drawn = [detail for detail in details if any(positions for positions, _, _ in detail.calibration)]
    if not drawn:
        return None
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(300)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
        for detail, style in zip(drawn, _styles(len(drawn)), strict=True):
            bins = [(mass / n, new / n) for n, mass, new in detail.calibration if n]
            axes.plot(*zip(*bins, strict=True), marker="o", markersize=4, label=readable(detail.name), **style)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability given to new tokens", ylabel="share that came")
        axes.set_title("Calibration of new tokens")
        _grid(axes, "both")
        _legend(axes)
    return inline_svg(figure, "calibration", "Share of new tokens against the probability given to them")


def kl_by_distance(details: Sequence[Detail]) -> Markup | None:
    """Mean KL to the base at each number of tokens after a new one."""
    drawn = [detail for detail in details if len(detail.kl_by_distance) > 1]
    if not drawn:
        return None
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(300)
        for detail, style in zip(drawn, _styles(len(drawn)), strict=True):
            nats = [nats for nats, positions in detail.kl_by_distance if positions]
            places = [place for place, (_, positions) in enumerate(detail.kl_by_distance) if positions]
            axes.plot(places, nats, label=readable(detail.name), **style)
        axes.set(xlabel="tokens since the last new one (0: at it; last: or more)", ylabel="nats")
        axes.set_ylim(bottom=0)
        axes.set_title("KL to the base behind a new token")
        _grid(axes, "y")
        _legend(axes)
    return inline_svg(figure, "distance", "Mean KL to the base by tokens since the last new one")


def forest(differences: Sequence[Difference], final: str) -> Markup | None:
    """Changes in bits per byte of the last model against the others, with their intervals."""
    rows = [each for each in differences if each.after == final and each.metric == "bits_per_byte"]
    if not rows:
        return None
    labels = [readable(f"{row.part}, against {row.before}") for row in rows]
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(70 + 34 * len(rows))
        places = np.arange(len(rows))
        values = np.array([row.value for row in rows])
        spread = np.array([(row.value - row.low, row.high - row.value) for row in rows]).T.clip(0)
        axes.axvline(0, color=GREY, linewidth=1)
        axes.errorbar(values, places, xerr=spread, fmt="o", color=ACCENT, ecolor=SOFT, elinewidth=3, markersize=6)
        for row, place in zip(rows, places, strict=True):
            axes.annotate(
                signed(row.value), (row.value, float(place)), (0, 8), textcoords="offset points", ha="center", color=INK
            )
        axes.set_yticks(places, labels)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.invert_yaxis()
        axes.set_ylim(len(rows) - 0.4, -0.7)
        axes.margins(x=0.12)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel("bits per byte; left of the line is better")
        axes.set_title("Change with its 95 % interval")
    words = ", ".join(
        f"{label} {signed(row.value)} ({signed(row.low)} to {signed(row.high)})"
        for row, label in zip(rows, labels, strict=True)
    )
    return inline_svg(figure, "forest", f"Change in bits per byte: {words}")


def phase_curves(curves: Sequence[Curve]) -> list[Markup]:
    """A chart for each loss of each later phase, the control's curve beside the model's where the two compare."""
    return learning_curves([("with the new tokens", curves)])


def learning_curves(runs: Sequence[tuple[str, Sequence[Curve]]]) -> list[Markup]:
    """A chart for each loss of each later phase: every run's curve, and its control's.

    A loss per token says nothing beside that of another tokenizer: a control is drawn in losses by the same text alone.
    """
    drawn: dict[tuple[str, str], list[tuple[str, Curve]]] = {}
    for name, curves in runs:
        for curve in sorted(curves, key=lambda one: one.phase.startswith(CONTROL)):
            phase, control = _phase_name(curve.phase.removeprefix(CONTROL)), curve.phase.startswith(CONTROL)
            if len(curve.steps) > 1 and not (control and curve.loss not in COMPARABLE):
                alone = "control" if len(runs) == 1 else f"{name}, control"
                drawn.setdefault((phase, curve.loss), []).append((alone if control else name, curve))
    fair = {phase for phase, loss in drawn if loss in COMPARABLE}
    order = {phase: place for place, phase in enumerate(dict.fromkeys(phase for phase, _ in drawn))}
    kept = sorted(
        (key for key in drawn if not (key[1] == "cross_entropy" and key[0] in fair)),
        key=lambda key: (order[key[0]], COMPARABLE.index(key[1]) if key[1] in COMPARABLE else -1),
    )
    return [_learning(place, *key, drawn[key]) for place, key in enumerate(kept)]


def _phase_name(part: str) -> str:
    """A phase of one part is called by one name.

    >>> [_phase_name(part) for part in ("lora: lora", "sequential: blocks-0-to-1")]
    ['lora', 'sequential: blocks-0-to-1']
    """
    label, _, name = part.partition(": ")
    return label if label == name else part


def _learning(place: int, phase: str, loss: str, lines: Sequence[tuple[str, Curve]]) -> Markup:
    title = readable(f"{phase}: {LOSSES.get(loss, loss.replace('_', ' '))}")
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(260)
        values = [np.array(curve.values) for _, curve in lines]
        for (name, curve), losses, style in zip(lines, values, reversed(_styles(len(lines))), strict=True):
            few = len(losses) < FEW
            axes.plot(curve.steps, losses if few else smoothed(losses), label=readable(name), marker="o" if few else "",
                      markersize=4, **style)  # fmt: skip
        if len(lines) > 1:
            _legend(axes)
        axes.set_title(title)
        axes.set_xlabel("step")
        _grid(axes, "y")
        axes.set_ylim(*limits(np.concatenate(values), np.concatenate(values)))
    spoken = ", ".join(
        f"{name} {decimal(curve.values[0])} at first, {decimal(curve.values[-1])} at the end" for name, curve in lines
    )
    return inline_svg(figure, f"phase-{place}", readable(f"{title}: {spoken}"))


def cosines(name: str, tables: Sequence[tuple[str, Table]]) -> Markup | None:
    """Cosine of new rows with the rows of their first, middle and last piece: quartiles, and the farthest tenths."""
    rows = [
        (f"{model}, {piece}", values) for model, table in tables for piece, values in table.cosines.items() if values
    ]
    return _boxes(f"cosines-{name}", f"Cosine to the rows of their pieces, {_table_name(name)}", rows)


def norms(name: str, tables: Sequence[tuple[str, Table]]) -> Markup | None:
    """Norms of old and new rows."""
    if not tables:
        return None
    rows = [("old rows", tables[-1][1].norms_old), *((model, table.norms_new) for model, table in tables)]
    return _boxes(f"norms-{name}", f"Norms of rows, {_table_name(name)}", [row for row in rows if row[1]], floor=0.0)


def row_map(found: RowMap) -> Markup | None:
    """New rows, their pieces and other old rows on a plane."""
    if len(found.x) < 3:
        return None
    kinds, x, y = np.array(found.kinds), np.array(found.x), np.array(found.y)
    styles = {"old": (GREY, 9, "other old rows"), "piece": (MUTED, 12, "pieces"), "new": (ACCENT, 16, "new rows")}
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(380)
        for kind, (colour, size, label) in styles.items():
            where = kinds == kind
            axes.scatter(x[where], y[where], s=size, color=colour, alpha=0.65, linewidths=0, label=label)
        axes.set(xticks=[], yticks=[])
        share = "" if found.explained is None else f", {percent(found.explained)} of their variance"
        axes.set_title(f"Input rows on their two main directions{share}")
        _legend(axes)
        label_some(axes, [(x[place], y[place], found.texts[place]) for place in np.flatnonzero(kinds == "new")])
    return inline_svg(figure, "map", "Map of new rows among old ones, by principal components")


def _boxes(
    name: str, title: str, rows: Sequence[tuple[str, Sequence[float]]], floor: float | None = None
) -> Markup | None:
    """A line from the lowest to the highest tenth, a bar between the quartiles, a point at the median."""
    if not rows:
        return None
    quantiles = np.array([np.quantile(values, [0.1, 0.25, 0.5, 0.75, 0.9]) for _, values in rows])
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(64 + 30 * len(rows))
        places = np.arange(len(rows))
        axes.hlines(places, quantiles[:, 0], quantiles[:, 4], color=GREY, linewidth=1.5)
        axes.hlines(places, quantiles[:, 1], quantiles[:, 3], color=SOFT, linewidth=8)
        axes.scatter(quantiles[:, 2], places, s=30, color=ACCENT, zorder=3)
        axes.set_yticks(places, [readable(label) for label, _ in rows])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        if floor is not None:
            axes.set_xlim(left=floor)
        axes.set_title(title)
        _grid(axes, "x")
    words = ", ".join(f"{label} {decimal(each[2])}" for (label, _), each in zip(rows, quantiles, strict=True))
    return inline_svg(figure, name, f"{title}, medians: {words}")


def _table_name(name: str) -> str:
    return "input table" if name == "inputs" else "head"


def _styles(number: int) -> list[dict[str, Any]]:
    """The last model stands out; those before it differ by their strokes, which print tells apart too."""
    strokes = ("--", ":", "-.", (0, (7, 2)))
    others = [
        {"color": SOFT if place % 2 else GREY, "linewidth": 2, "linestyle": strokes[place % len(strokes)]}
        for place in range(number - 1)
    ]
    return [*others, {"color": ACCENT, "linewidth": 2}]


def _some(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    step = max(1, math.ceil(len(x) / MOST_POINTS))
    return x[::step], y[::step]


def _grid(axes: Axes, axis: Literal["both", "x", "y"]) -> None:
    axes.grid(axis=axis, color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=11, labelcolor=MUTED)

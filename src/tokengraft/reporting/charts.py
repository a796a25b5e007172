"""The page's charts. Each draws one thing, small enough to be read on a phone, and colours nothing itself."""

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokengraft.reporting.data import Memory, Metrics, Score, Speed, Step
from tokengraft.reporting.numbers import decimal, duration, percent, size
from tokengraft.reporting.svg import ACCENT, GREY, INK, MUTED, RULE, SETTINGS, SOFT, inline_svg
from tokengraft.reporting.text import readable

WIDTH = 440
"""Pixels of a chart's own scale: on a phone of 390 a 12-pixel letter is still drawn with 9."""
ROW = 34
LONGEST = 24
"""Letters of a bar's name; longer ones would leave no room for the bar."""


def bits_per_byte(metrics: Metrics, part: str) -> Markup | None:
    """Bars of each model's bits per byte on `domain` or `general` text; None where it was not measured."""
    scores: list[tuple[str, Score]] = [
        (model.name, score) for model in metrics.models if (score := getattr(model, part)) is not None
    ]
    if not scores:
        return None
    return _bars(
        f"bits-{part}",
        f"Bits per byte, held-out {part} text",
        [name for name, _ in scores],
        [score.bits_per_byte for _, score in scores],
        [decimal(score.bits_per_byte) for _, score in scores],
        [GREY, *[SOFT] * (len(scores) - 2), ACCENT][: len(scores)],
    )


def ceiling(saved: float, limit: float) -> Markup:
    """What was saved beside what the split pattern lets anybody save."""
    return _bars(
        "ceiling",
        "Share of tokens saved on held-out text",
        ["this run", "ceiling"],
        [saved, limit],
        [percent(saved), percent(limit)],
        [ACCENT, GREY],
    )


def memory(figures: Memory) -> Markup:
    """Peak memory of the engine and of the plain way."""
    rows = [("this engine", figures.engine, ACCENT), ("the plain way", figures.plain, GREY)]
    if figures.baseline is not None:
        rows.insert(0, ("before training", figures.baseline, SOFT))
    names, values, colours = zip(*rows, strict=True)
    return _bars("memory", "Memory at its peak", names, values, [size(value) for value in values], colours)


def speed(figures: Speed) -> Markup:
    """Milliseconds of a step, the run's and the plain way's."""
    values = [1000 * figures.engine, 1000 * figures.plain]
    labels = [f"{value:.0f} ms" for value in values]
    return _bars(
        "speed", "One step on the same batch", ["this engine", "the plain way"], values, labels, [ACCENT, GREY]
    )


def stages(seconds: dict[str, float]) -> Markup:
    """Wall time of each stage."""
    values = list(seconds.values())
    return _bars(
        "stages",
        "Time per stage",
        [name.replace("_", " ") for name in seconds],
        values,
        [duration(value) for value in values],
        [ACCENT] * len(values),
    )


def training_curve(steps: Sequence[Step], loss: str, title: str) -> Markup | None:
    """A loss against the step, raw and smoothed; None where fewer than two finite values were logged."""
    points = [(step.step, value) for step in steps if (value := getattr(step, loss)) is not None]
    finite = np.array([point for point in points if math.isfinite(point[1])], dtype=np.float64)
    if len(finite) < 2:
        return None
    at, raw, smooth = finite[:, 0], finite[:, 1], smoothed(finite[:, 1])
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(260)
        axes.plot(at, raw, color=MUTED, alpha=0.35, linewidth=1)
        axes.plot(at, smooth, color=ACCENT, linewidth=2)
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(axis="y", color=RULE, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.set_ylim(*limits(raw, smooth))
        axes.margins(x=0.01)
    return inline_svg(
        figure, f"curve-{loss}", f"{title}: {decimal(smooth[0])} at first, {decimal(smooth[-1])} at the end"
    )


def smoothed(values: Float[np.ndarray, " steps"]) -> Float[np.ndarray, " steps"]:
    """Centred moving average over a tenth of the steps, weighted by a Hann window.

    A trailing average would lag behind the fall, and lie above every point of it.

    >>> smoothed(np.array([2.0, 2.0, 2.0])).tolist()
    [2.0, 2.0, 2.0]
    """
    window = np.hanning(2 * (len(values) // 20) + 3)[1:-1]
    return np.convolve(values, window, "same") / np.convolve(np.ones(len(values)), window, "same")


def limits(raw: Float[np.ndarray, " steps"], smooth: Float[np.ndarray, " steps"]) -> tuple[float, float]:
    """Lowest and highest value of a curve's frame."""
    # One spike would press the rest of the curve flat: the highest percent of the raw values may leave the frame.
    low, high = float(raw.min()), max(float(np.percentile(raw, 99)), float(smooth.max()))
    room = 0.08 * (high - low) or 0.1
    return (0.0 if low >= 0 and low < 0.5 * high else low - room), high + room


def canvas(height: float) -> tuple[Figure, Axes]:
    """A figure of the page's chart width, `height` pixels high, with its axes."""
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, layout="constrained")
    return figure, figure.subplots()


def _bars(
    name: str,
    title: str,
    labels: Sequence[str],
    values: Sequence[float],
    written: Sequence[str],
    colours: Sequence[str],
) -> Markup:
    """Lying bars from zero, each with its figure written behind it; a figure that is not finite has no bar."""
    lengths = [value if math.isfinite(value) and value > 0 else 0.0 for value in values]
    labels = [readable(label) for label in labels]
    short = [label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…" for label in labels]
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(44 + ROW * len(labels))
        places = np.arange(len(labels))
        axes.barh(places, lengths, height=0.62, color=list(colours))
        for place, length, text in zip(places, lengths, written, strict=True):
            axes.annotate(text, (length, place), (6, 0), textcoords="offset points", va="center", color=INK)
        axes.set_yticks(places, short)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.25 * max(lengths) or 1)
        axes.set_title(title)
        axes.xaxis.set_visible(False)
        axes.spines[["left", "bottom"]].set_visible(False)
    pairs = ", ".join(f"{label} {text}" for label, text in zip(labels, written, strict=True))
    return inline_svg(figure, name, f"{title}: {pairs}")

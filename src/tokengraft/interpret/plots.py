"""What `interpret` found, drawn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tokengraft import atomic

PLACES = ("first", "middle", "last", "random")


def write_plots(found: Mapping[str, Any], out: Path) -> list[Path]:
    """The plots that were written into `out`, beside `interpret.json` with the values behind them.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    figures = {"cosines": cosines_figure(found), "spectrum": spectrum_figure(found)}
    atomic.write_json(out / "interpret.json", dict(found))
    paths = []
    for name, figure in figures.items():
        path = out / f"{name}.png"
        atomic.write_with(path, lambda place, drawn=figure: drawn.savefig(place, format="png", dpi=120))
        paths.append(path)
    return paths


def cosines_figure(found: Mapping[str, Any]) -> Figure:
    """Mean cosine of new rows to their pieces, table by table."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    groups = list(found["cosines"].items())
    width = 0.8 / max(1, len(groups))
    for number, (name, means) in enumerate(groups):
        heights = [means[place] or 0.0 for place in PLACES]
        axes.bar([place + number * width for place in range(len(PLACES))], heights, width, label=name)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(PLACES))], PLACES)
    axes.axhline(0, color="black", linewidth=0.5)
    axes.set_ylabel("centred cosine to that piece")
    axes.legend(frameon=False)
    return figure


def spectrum_figure(found: Mapping[str, Any]) -> Figure:
    """Singular values of the new rows beside as many old ones."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    for name, values in found["geometry"].items():
        [line] = axes.plot([max(value, 1e-12) for value in values["spectrum"]], label=f"{name}, new")
        old = [max(value, 1e-12) for value in values["old_spectrum"]]
        axes.plot(old, linestyle=":", color=line.get_color(), label=f"{name}, old")
    axes.set_yscale("log")
    axes.set_xlabel("singular value, largest first")
    axes.set_ylabel("share of their sum")
    axes.legend(frameon=False)
    return figure

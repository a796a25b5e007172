"""One self-contained HTML page a run: what was added, what it gained, what it cost, and the proof."""

from tokengraft.reporting.page import render, write_report

__all__ = ["render", "write_report"]

"""The result in plain words, and the key figures held against what is promised."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from tokengraft.reporting.data import Metrics
from tokengraft.reporting.evidence import Difference
from tokengraft.reporting.numbers import count, decimal, percent, size

Verdict = Literal["kept", "missed", "open"]

LEAST_SAVED = 0.15
LEAST_GAP_CLOSED = 0.80
MOST_GENERAL_CHANGE = 0.03
SAME_BITS = 0.001
"""Two models whose bits per byte differ by less than this share are not told apart in words."""

UNCHANGED = 0.01
"""General bits per byte that move by less than this are called unchanged: windows alone scatter by as much."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A key figure: what it is, its value, a remark, what was promised, and whether that was kept."""

    label: str
    value: str
    remark: str
    promise: str
    verdict: Verdict


def headline(metrics: Metrics) -> Markup:
    """The result in one sentence, its figures in `<b>`."""
    clauses = [_adoption(metrics)]
    if len(metrics.models) > 1:
        clauses += [_recovery(metrics), _retention(metrics)]
    return Markup("; ").join(clauses) + "."


def _adoption(metrics: Metrics) -> Markup:
    saved = metrics.tokens.domain.saved
    way = "fewer" if saved >= 0 else "more"
    return Markup("<b>{}</b> new tokens: <b>{}</b> {} tokens on held‑out text").format(
        count(metrics.tokens.added), percent(abs(saved)), way
    )


def _recovery(metrics: Metrics) -> Markup:
    gap, base, final = metrics.gap_closed, metrics.base.domain, metrics.final.domain
    figures = f"{decimal(final.bits_per_byte)} bits per byte against the base’s {decimal(base.bits_per_byte)}"
    if any(_holds_zero(change) for change in _changes(metrics, "domain")):
        return Markup("no difference to the base in predicting that text can be shown (<b>{}</b>)").format(figures)
    if final.bits_per_byte < (1 - SAME_BITS) * base.bits_per_byte:
        return Markup("it now predicts that text <b>better than the base</b> ({})").format(figures)
    if gap is None or not math.isfinite(gap):
        return Markup("<b>{}</b>").format(figures)
    if gap <= 0:
        return Markup("<b>none</b> of the loss gap closed ({})").format(figures)
    return Markup("<b>{}</b> of the loss gap closed").format(percent(gap))


def _changes(metrics: Metrics, part: str) -> list[Difference]:
    """Changes of a part's bits per byte against the base that have an interval: one or none."""
    ends = (metrics.base.name, metrics.final.name, part, "bits_per_byte")
    return [each for each in metrics.differences if (each.before, each.after, each.part, each.metric) == ends]


def _holds_zero(change: Difference) -> bool:
    return change.low <= 0 <= change.high


def _retention(metrics: Metrics) -> Markup:
    change = metrics.general_change
    if change is None:
        return Markup("general text not measured")
    # A small change whose interval leaves 0 out is small, but it is one.
    if abs(change) < UNCHANGED and all(_holds_zero(each) for each in _changes(metrics, "general")):
        return Markup("general text unchanged to <b>{}</b>").format(percent(abs(change)))
    return Markup("general text <b>{}</b> {}").format(percent(abs(change)), "worse" if not change < 0 else "better")


def failed_checks(metrics: Metrics) -> int:
    """How many promises did not hold."""
    return sum(not check.passed and not check.measured for check in metrics.checks)


def tiles(metrics: Metrics) -> list[Tile]:
    """The key figures in the order of their weight; those that were not measured are left out."""
    return [tile for group in (_tokenizer_tiles, _model_tiles, _cost_tiles) for tile in group(metrics)]


def _tokenizer_tiles(metrics: Metrics) -> Iterator[Tile]:
    tokens, domain = metrics.tokens, metrics.tokens.domain
    asked = tokens.asked if tokens.asked is not None else tokens.added
    remark = f"on {count(tokens.base_size)} old ones" if tokens.base_size is not None else ""
    yield Tile("new tokens", count(tokens.added), remark, f"the {count(asked)} asked for", _kept(tokens.added >= asked))
    yield _saved_tile(metrics)
    parts = [part for part in (domain, tokens.general) if part is not None]
    longer = sum(part.documents_longer for part in parts)
    read = f"of {count(sum(part.documents for part in parts))} held-out documents"
    yield Tile("documents longer", count(longer), read, "none", _kept(longer == 0))


def _saved_tile(metrics: Metrics) -> Tile:
    domain, ceiling = metrics.tokens.domain, metrics.tokens.ceiling
    remark = f"{count(domain.tokens_base)} → {count(domain.tokens_extended)} on held-out text"
    if ceiling is not None and ceiling < LEAST_SAVED:
        promise, verdict = f"at most {percent(ceiling)} with this split pattern", "open"
    else:
        promise, verdict = f"at least {percent(LEAST_SAVED, 0)}", _kept(domain.saved >= LEAST_SAVED)
    return Tile("fewer tokens", percent(domain.saved), remark, promise, verdict)


def _model_tiles(metrics: Metrics) -> Iterator[Tile]:
    before, after = metrics.base.domain.bits_per_byte, metrics.final.domain.bits_per_byte
    if after < (1 - SAME_BITS) * before:
        # Past the base the share of the gap says little: a narrow gap gives thousands of per cent.
        yield Tile(
            "bits per byte in the domain",
            f"−{percent(1 - after / before)}",
            f"{decimal(after)}, base {decimal(before)}",
            f"at least {percent(LEAST_GAP_CLOSED, 0)} of what initialising lost is won back",
            "kept",
        )
    elif metrics.gap_closed is not None:
        yield Tile(
            "of the loss gap closed",
            percent(metrics.gap_closed),
            f"{decimal(after)} bits per byte, base {decimal(before)}",
            f"at least {percent(LEAST_GAP_CLOSED, 0)}",
            _kept(metrics.gap_closed >= LEAST_GAP_CLOSED),
        )
    change = metrics.general_change
    if change is not None:
        yield Tile(
            "on general text",
            ("+" if change > 0 else "") + percent(change),
            "bits per byte; below 0 is better",
            f"at most +{percent(MOST_GENERAL_CHANGE, 0)}",
            _kept(change <= MOST_GENERAL_CHANGE),
        )
    if metrics.exactness is not None:
        same = metrics.exactness.rows and metrics.exactness.logits
        remark = "right after growing" + (
            f", {count(metrics.exactness.compared)} logits compared" if metrics.exactness.compared else ""
        )
        yield Tile("old rows and logits", "identical" if same else "changed", remark, "equal bit for bit", _kept(same))


def _cost_tiles(metrics: Metrics) -> Iterator[Tile]:
    if metrics.memory is not None:
        memory = metrics.memory
        yield Tile(
            "peak memory",
            size(memory.engine),
            f"the plain way takes {size(memory.plain)}",
            "less than the plain way",
            _kept(memory.engine < memory.plain),
        )
        if memory.speed is not None:
            yield Tile(
                "speed of a step",
                f"{memory.speed.ratio:.1f} times",
                f"{1000 * memory.speed.engine:.0f} ms; the plain way takes {1000 * memory.speed.plain:.0f} ms",
                "no slower than the plain way",
                _kept(round(memory.speed.ratio, 1) >= 1),
            )
    if metrics.checks:
        failed = failed_checks(metrics)
        yield Tile(
            "checks passed",
            f"{len(metrics.checks) - failed} of {len(metrics.checks)}",
            "on this run’s tokenizer and texts",
            "all of them",
            _kept(failed == 0),
        )


def _kept(holds: bool) -> Verdict:
    return "kept" if holds else "missed"

"""A table of fresh random numbers in a trained model."""

from collections.abc import Iterator

import torch

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error
from tokengraft.diagnosis.tables import Table
from tokengraft.diagnosis.weights import Weights

LEAST = 20_000
"""Entries of a table from which its statistics tell random from trained."""
SAMPLE = 2048
"""Rows compared with the base's."""


@check("table-reinitialised", needs=(), symptom="the model writes nonsense after loading; loss near ln(vocabulary)")
def table_reinitialised(case: Case) -> Iterator[Finding]:
    """A whole table is unrelated to the base's, or is as random as the day it was made while the rest is trained."""
    for name, table in case.tables.each():
        found = _against_base(case, name) if case.base else _by_statistics(case, table)
        if found:
            yield error(
                f"the {name} {found['what']}",
                "from_pretrained with ignore_mismatched_sizes=True throws away a table whose number of rows does not "
                "fit and makes a random one, old rows and all.",
                "load the checkpoint at its own size, then grow it: tokengraft special, or tg.grow",
                table=table.name,
                **found,
            )


def _against_base(case: Case, name: str) -> dict[str, object] | None:
    """Mean cosine of rows with the base's rows of the same ids."""
    assert case.base
    own = dict(case.tables.each())[name]
    theirs = dict(case.base.tables.each()).get(name) or case.base.tables.input
    rows = min(own.rows, theirs.rows, SAMPLE)
    if own.width != theirs.width:
        return None
    first, second = case.tables.weights.rows(own.name, 0, rows), case.base.tables.weights.rows(theirs.name, 0, rows)
    cosine = torch.cosine_similarity(first.double() - own.mean, second.double() - theirs.mean)
    mean = float(cosine[cosine.isfinite()].mean())
    if abs(mean) > 0.1:
        return None
    return {"what": f"is unrelated to the base's: mean cosine {mean:.3f} over {rows} rows", "cosine": mean}


def _by_statistics(case: Case, table: Table) -> dict[str, object] | None:
    """A fresh table is normal, with the standard deviation of the settings, and its rows have no common direction."""
    spread = getattr(case.text_settings, "initializer_range", None)
    if not spread or table.rows * table.width < LEAST or not trained_norms(case.tables.weights):
        return None
    deviation = table.variance**0.5
    # The mean of independent rows has this squared norm, give or take; trained rows share a direction.
    expected = table.variance * table.width / table.rows
    shared = float(table.mean.square().sum()) / expected if expected else 0.0
    if abs(deviation / spread - 1) > 0.03 or abs(table.kurtosis - 3) > 0.15 or shared > 2:
        return None
    what = (
        f"looks freshly made: standard deviation {deviation:.4f} as in initializer_range ({spread}), kurtosis "
        f"{table.kurtosis:.2f}, no common direction, while the norm layers are trained"
    )
    return {"what": what, "deviation": deviation, "kurtosis": table.kurtosis, "shared_direction": shared}


def trained_norms(weights: Weights) -> bool:
    """Whether the scales of the norm layers have left the value that they begin with."""
    scales = [name for name in weights.names if name.endswith(".weight") and len(weights.shape(name)) == 1]
    values = [weights.rows(name, 0, weights.shape(name)[0]).float() for name in sorted(scales)[:4]]
    return any(bool((value - value[0]).abs().max() > 1e-3) for value in values if len(value))

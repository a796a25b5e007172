"""Several comparisons at once: p-values raised so that chance finds among them stay rare."""

from collections.abc import Sequence

import numpy as np

from tokengraft.errors import ConfigError
from tokengraft.statistics import checks


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted by Holm's step-down method, in the order given; at most `alpha` of them by chance.

    Holm 1979, "A simple sequentially rejective multiple test procedure". The smallest is multiplied by their number,
    the next by one less, and none may be below one before it.

    >>> [round(value, 3) for value in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    >>> holm([])
    []

    Raises:
        ConfigError: a value is no probability.
    """
    if not len(p_values):
        return []
    values = checks.numbers(p_values, "p-values")
    if values.min() < 0 or values.max() > 1:
        raise ConfigError(found=f"p-values {list(p_values)}", expected="numbers from 0 to 1", do="check them")
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)).clip(max=1.0)
    result = np.empty_like(raised)
    result[order] = raised
    return result.tolist()

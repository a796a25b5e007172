"""Numbers that a statistic cannot be computed from are refused in words."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from tokengraft.errors import ConfigError


def share(value: float, name: str) -> None:
    """Refuses what is not strictly between 0 and 1.

    Raises:
        ConfigError: the value is outside.
    """
    if not 0 < value < 1:
        raise ConfigError(found=f"{name} = {value}", expected="a number between 0 and 1", do=f"change {name}")


def counts(passed: int, total: int) -> None:
    """Refuses a number of passes that its total cannot hold.

    Raises:
        ConfigError: nothing was tried, or more passed than were tried.
    """
    if total < 1 or not 0 <= passed <= total:
        raise ConfigError(
            found=f"{passed} passed of {total}",
            expected="at least one try, and no more passes than tries",
            do="check it",
        )


def numbers(values: Sequence[float] | Float[np.ndarray, " n"], name: str) -> Float[np.ndarray, " n"]:
    """The values as float64.

    Raises:
        ConfigError: there are none, they are no row of numbers, or one of them is not finite.
    """
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or not row.size or not np.isfinite(row).all():
        raise ConfigError(
            found=f"{name}: {'no values' if not row.size else 'values that are not one row of finite numbers'}",
            expected="one finite number for each document or problem",
            do="leave out documents without a figure, and check that there is at least one",
        )
    return row


def outcomes(values: Sequence[bool] | Bool[np.ndarray, " n"], name: str) -> Bool[np.ndarray, " n"]:
    """The outcomes as booleans: passed or not.

    Raises:
        ConfigError: there are none, or they are neither true nor false.
    """
    row = numbers(np.asarray(values, dtype=np.float64), name)
    if not np.isin(row, (0.0, 1.0)).all():
        raise ConfigError(found=f"{name}: other values than passed or not", expected="true or false", do="check it")
    return row.astype(bool)


def same_length(first: np.ndarray, second: np.ndarray) -> None:
    """Refuses rows that cannot be paired.

    Raises:
        ConfigError: one is longer than the other.
    """
    if len(first) != len(second):
        raise ConfigError(
            found=f"{len(first)} and {len(second)} values",
            expected="one of each for the same item",
            do="pair them first",
        )

"""Intervals by resampling documents or problems: what would the figure have been on other ones of the same kind?

A document (or problem) is drawn as a whole, and for two models the same ones are drawn for both: what makes some
documents harder than others then does not widen the interval of the difference.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from tokengraft.errors import ConfigError
from tokengraft.statistics import checks
from tokengraft.statistics.estimates import Difference, Estimate

RESAMPLES = 10_000
CHUNK = 2_000_000
"""Drawn places held at one time: 16 MB, whatever the number of documents."""

Rows = Sequence[float] | Float[np.ndarray, " documents"]
Statistic = Callable[..., Float[np.ndarray, " resamples"]]


def bootstrap_interval(
    samples: Sequence[Rows],
    statistic: Statistic,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """The statistic of the samples with its percentile bootstrap interval.

    `samples` are rows of the same length, resampled together; `statistic` takes one array for each, documents along
    the last axis, and reduces that axis. Efron and Tibshirani 1993, chapter 13.

    >>> import numpy as np
    >>> estimate = bootstrap_interval([[1.0, 2.0, 3.0, 4.0]], lambda values: values.mean(axis=-1), seed=1)
    >>> estimate.value, estimate.low < 2.5 < estimate.high
    (2.5, True)

    Raises:
        ConfigError: nothing to resample, rows of different length, or settings outside their range.
    """
    value, drawn = _resampled(samples, statistic, resamples, confidence, seed)
    return Estimate(value, *_limits(drawn, confidence), confidence)


def bootstrap_ratio(
    numerators: Rows,
    denominators: Rows,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """The ratio of two sums over documents, as bits per byte are, with its interval by document bootstrap.

    >>> bootstrap_ratio([8.0, 8.0], [10.0, 10.0])
    Estimate(value=0.8, low=0.8, high=0.8, confidence=0.95)

    Raises:
        ConfigError: as `bootstrap_interval`, or a denominator that is not above 0.
    """
    below = _positive(denominators)
    return bootstrap_interval([numerators, below], _ratio, resamples=resamples, confidence=confidence, seed=seed)


def bootstrap_ratio_difference(
    first: tuple[Rows, Rows],
    second: tuple[Rows, Rows],
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Second ratio minus first, each a pair of numerators and denominators of the same documents in the same order.

    Two models' bits per byte: `bootstrap_ratio_difference((bits_base, sizes), (bits_extended, sizes))`.
    With n documents the p-value is at least 2 / 2ⁿ: five that agree are no proof at the level of 0.05.

    >>> change = bootstrap_ratio_difference(([9.0, 8.0], [10.0, 10.0]), ([8.0, 7.0], [10.0, 10.0]))
    >>> round(change.value, 3), round(change.high, 3)
    (-0.1, -0.1)

    Raises:
        ConfigError: as `bootstrap_ratio`, or the two are not of the same documents.
    """

    def difference(*parts: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        return _ratio(*parts[2:]) - _ratio(*parts[:2])

    samples = [first[0], _positive(first[1]), second[0], _positive(second[1])]
    return _difference(samples, difference, resamples, confidence, seed)


def bootstrap_difference(
    first: Rows, second: Rows, *, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = 0
) -> Difference:
    """Mean of the second minus mean of the first, paired: outcomes 0 and 1, or each problem's share of passes.

    >>> bootstrap_difference([0, 0, 1, 0], [1, 0, 1, 1]).value
    0.5

    Raises:
        ConfigError: as `bootstrap_interval`.
    """

    def difference(*parts: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        return (parts[1] - parts[0]).mean(axis=-1)

    return _difference([first, second], difference, resamples, confidence, seed)


def _difference(
    samples: Sequence[Rows], statistic: Statistic, resamples: int, confidence: float, seed: int
) -> Difference:
    value, drawn = _resampled(samples, statistic, resamples, confidence, seed)
    # A resample that is itself the data keeps the p-value above 0 (Davison and Hinkley 1997, section 4.2).
    below, above = int((drawn <= 0).sum()) + 1, int((drawn >= 0).sum()) + 1
    # Drawn from a few, resamples agree whatever the truth is. No sign-flip test of n pairs goes below 2 of 2ⁿ.
    least = 2.0 ** (1 - len(samples[0]))
    p_value = min(1.0, max(least, 2 * min(below, above) / (len(drawn) + 1)))
    return Difference(value, *_limits(drawn, confidence), confidence, p_value)


def _resampled(
    samples: Sequence[Rows], statistic: Statistic, resamples: int, confidence: float, seed: int
) -> tuple[float, Float[np.ndarray, " resamples"]]:
    checks.share(confidence, "confidence")
    if resamples < 1:
        raise ConfigError(found=f"resamples = {resamples}", expected="1 or more", do="ask for 10 000")
    rows = [checks.numbers(sample, f"sample {place}") for place, sample in enumerate(samples, start=1)]
    for row in rows[1:]:
        checks.same_length(rows[0], row)
    drawn = [statistic(*(row[places] for row in rows)) for places in _places(len(rows[0]), resamples, seed)]
    return float(statistic(*rows)), np.concatenate(drawn)


def _places(documents: int, resamples: int, seed: int) -> Iterator[Int[np.ndarray, "chunk documents"]]:
    generator = np.random.default_rng(seed)
    size = max(1, CHUNK // documents)
    for start in range(0, resamples, size):
        yield generator.integers(0, documents, (min(size, resamples - start), documents))


def _limits(drawn: Float[np.ndarray, " resamples"], confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def _ratio(numerators: Float[np.ndarray, "..."], denominators: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return numerators.sum(axis=-1) / denominators.sum(axis=-1)


def _positive(denominators: Rows) -> Float[np.ndarray, " documents"]:
    row = checks.numbers(denominators, "denominators")
    if row.min() <= 0:
        raise ConfigError(
            found=f"a denominator of {row.min():g}", expected="sizes above 0", do="leave out empty documents"
        )
    return row

"""Every statistic against statsmodels or scipy, on drawn data."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tokengraft.statistics import (
    bootstrap_difference,
    bootstrap_ratio,
    bootstrap_ratio_difference,
    cochran_q,
    holm,
    mcnemar,
    mcnemar_power,
    minimum_detectable_effect,
    two_proportion_z_test,
    wilson_interval,
)

stats = pytest.importorskip("statsmodels.stats.api", reason="statsmodels is not installed")

CLOSE = 1e-10
tries = st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
pairs = st.integers(1, 300).flatmap(
    lambda size: st.tuples(*[st.lists(st.booleans(), min_size=size, max_size=size)] * 2)
)


@given(tries, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson(counts, confidence):
    ours = wilson_interval(*counts, confidence)
    theirs = stats.proportion_confint(*counts, alpha=1 - confidence, method="wilson")
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=CLOSE)


@given(pairs)
def test_mcnemar(outcomes):
    first, second = outcomes
    ours = mcnemar(first, second)
    table = [[ours.both, ours.only_first], [ours.only_second, ours.neither]]
    cells = [(a, b) for a, b in zip(first, second, strict=True)]
    assert table == [[cells.count((True, True)), cells.count((True, False))],
                     [cells.count((False, True)), cells.count((False, False))]]  # fmt: skip
    from statsmodels.stats.contingency_tables import mcnemar as theirs

    expected = theirs(table, exact=True).pvalue if ours.discordant else 1.0
    assert ours.p_value == pytest.approx(expected, abs=CLOSE)
    assert ours.total == len(first)


@pytest.mark.parametrize(("left", "right"), [(0, 2000), (900, 1100), (37, 61), (1, 0), (5, 5)])
def test_mcnemar_against_the_binomial_test(left, right):
    ours = mcnemar([True] * left + [False] * right, [False] * left + [True] * right).p_value
    assert ours == pytest.approx(scipy.stats.binomtest(left, left + right).pvalue, rel=CLOSE)


@given(tries, tries)
def test_two_proportions(first, second):
    assume(0 < first[0] + second[0] < first[1] + second[1])
    ours = two_proportion_z_test(*first, *second)
    z, p = stats.proportions_ztest([second[0], first[0]], [second[1], first[1]])
    assert (ours.z, ours.p_value) == pytest.approx((z, p), rel=CLOSE, abs=CLOSE)


def test_two_proportions_that_all_pass_or_none():
    assert two_proportion_z_test(5, 5, 7, 7).p_value == two_proportion_z_test(0, 5, 0, 7).p_value == 1.0


@settings(max_examples=20)  # statsmodels takes 60 ms for each
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30))
def test_holm(thousandths):
    values = [value / 1000 for value in thousandths]
    assert holm(values) == pytest.approx(stats.multipletests(values, method="holm")[1], abs=CLOSE)


@settings(max_examples=50)
@given(st.integers(2, 6), st.integers(1, 200), st.integers(0, 10**6))
def test_cochran(models, problems, seed):
    table = np.random.default_rng(seed).random((models, problems)) < 0.4
    assume(any(0 < column.sum() < models for column in table.T))
    from statsmodels.stats.contingency_tables import cochrans_q

    theirs, ours = cochrans_q(table.T), cochran_q(table)
    assert (ours.q, ours.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=CLOSE, abs=CLOSE)
    assert ours.degrees == models - 1


def scipys(samples, statistic, seed):
    return scipy.stats.bootstrap(
        samples, statistic, paired=True, vectorized=True, n_resamples=2000, batch=2000, method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip


def documents(seed, count=60):
    draw = np.random.default_rng(seed)
    sizes = draw.integers(10, 5000, count).astype(float)
    bits = sizes * draw.normal(1.3, 0.3, count)
    return sizes, bits, bits * draw.normal(0.97, 0.05, count)


@pytest.mark.parametrize("seed", [0, 1])
def test_ratio(seed):
    sizes, bits, _ = documents(seed)
    ours = bootstrap_ratio(bits, sizes, resamples=2000, seed=seed)
    theirs = scipys((bits, sizes), lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis), seed)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=CLOSE)
    assert ours.value == pytest.approx(bits.sum() / sizes.sum(), rel=CLOSE)


@pytest.mark.parametrize("seed", [0, 1])
def test_difference_of_ratios(seed):
    sizes, base, extended = documents(seed)
    ours = bootstrap_ratio_difference((base, sizes), (extended, sizes), resamples=2000, seed=seed)
    theirs = scipys(
        (base, extended, sizes), lambda a, b, n, axis: (b.sum(axis=axis) - a.sum(axis=axis)) / n.sum(axis=axis), seed
    )
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=CLOSE)
    assert ours.p_value < 0.05


def test_difference_of_means():
    draw = np.random.default_rng(3)
    first, second = draw.random(200) < 0.3, draw.random(200) < 0.5
    ours = bootstrap_difference(first, second, resamples=2000, seed=7)
    theirs = scipys((first * 1.0, second * 1.0), lambda a, b, axis: (b - a).mean(axis=axis), 7)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=CLOSE)


@pytest.mark.parametrize("chunk", [1, 130, 10**6])
def test_resamples_are_the_same_in_any_chunk(monkeypatch, chunk):
    sizes, bits, _ = documents(0)
    whole = bootstrap_ratio(bits, sizes, resamples=50, seed=2)
    monkeypatch.setattr("tokengraft.statistics.bootstrap.CHUNK", chunk)
    assert bootstrap_ratio(bits, sizes, resamples=50, seed=2) == whole


@pytest.mark.parametrize(("total", "share", "effect"), [(30, 0.5, 0.3), (60, 0.2, 0.1), (80, 0.9, 0.0), (4, 0.5, 0.5)])
def test_power_is_the_sum_over_all_outcomes(total, share, effect):
    chance = (share + effect) / (2 * share)
    expected = sum(
        scipy.stats.binom.pmf(n, total, share) * scipy.stats.binom.pmf(k, n, chance)
        for n in range(1, total + 1)
        for k in range(n + 1)
        if min(1, 2 * scipy.stats.binom.cdf(min(k, n - k), n, 0.5)) <= 0.05
    )
    assert mcnemar_power(total, share, effect) == pytest.approx(expected, abs=CLOSE)


@pytest.mark.parametrize(("total", "share"), [(164, 0.3), (1000, 0.2), (1140, 0.1)])
def test_the_detectable_effect_is_found_at_the_power_asked_for(total, share):
    effect = minimum_detectable_effect(total, share)
    assert mcnemar_power(total, share, effect) == pytest.approx(0.8, abs=1e-9)
    # Connor 1987: the approximation for the chi-squared form, which needs a little less.
    approximate = (1.96 + 0.8416) * (share / total) ** 0.5
    assert approximate * 0.97 < effect < approximate * 1.1

"""What the statistics promise beyond their formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tokengraft.errors import ConfigError
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

REPORTED = {"BigCodeBench": (1140, 0.208, 0.211), "DS-1000": (1000, 0.318, 0.366)}
"""Shares that Rehman Linder 2025, arXiv 2508.15807, reports for the base model and for KL distillation, and how many
problems each benchmark has. The counts themselves, after cleaning, were not to be had: these are the implied ones."""


@pytest.mark.parametrize(("bench", "expected"), [("BigCodeBench", 0.8369505827), ("DS-1000", 0.0236627829)])
def test_shares_as_the_thesis_reports_them(bench, expected):
    total, base, distilled = REPORTED[bench]
    counts = round(base * total), round(distilled * total)
    test = two_proportion_z_test(counts[0], total, counts[1], total)
    assert [round(count / total, 3) for count in counts] == [base, distilled]
    assert test.p_value == pytest.approx(expected, abs=1e-10)  # proportions_ztest of statsmodels 0.15
    pooled = sum(counts) / (2 * total)
    by_hand = (counts[1] - counts[0]) / total / (pooled * (1 - pooled) * 2 / total) ** 0.5
    assert test.z == pytest.approx(by_hand, rel=1e-12)


def test_paired_sees_what_unpaired_does_not():
    """The same counts: the paired test is the sharper the fewer problems change hands."""
    first = [True] * 318 + [False] * 682
    second = [True] * 366 + [False] * 634
    assert mcnemar(first, second).p_value < 1e-10 < two_proportion_z_test(318, 1000, 366, 1000).p_value


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_does_not_mind_who_is_first(outcomes):
    first, second = zip(*outcomes, strict=True)
    one, other = mcnemar(first, second), mcnemar(second, first)
    assert one.p_value == other.p_value
    assert (one.only_first, one.only_second) == (other.only_second, other.only_first)


def test_two_models_by_cochran_are_mcnemars_chi_squared():
    first, second = [1] * 8 + [0] * 3 + [1, 0], [0] * 8 + [1] * 3 + [1, 0]
    assert cochran_q([first, second]).q == pytest.approx((8 - 3) ** 2 / (8 + 3))


def test_cochran_where_nothing_differs():
    assert cochran_q([[1, 0, 1], [1, 0, 1], [1, 0, 1]]).p_value == 1.0


def test_one_document_has_no_width():
    estimate = bootstrap_ratio([10.0], [8.0])
    assert estimate.low == estimate.high == estimate.value == 1.25


def test_no_difference_is_not_significant():
    values = np.arange(50.0) % 2
    assert bootstrap_difference(values, values).p_value == 1.0


def test_a_bootstrap_p_value_is_never_zero():
    assert 0 < bootstrap_difference([0.0] * 50, [1.0] * 50, resamples=999).p_value == pytest.approx(0.002)


@pytest.mark.parametrize(("documents", "least"), [(1, 1.0), (2, 0.5), (5, 0.0625), (8, 0.0078125)])
def test_a_few_documents_that_agree_prove_no_more_than_their_signs_do(documents, least):
    """The exact sign test of as many pairs, all of which point one way."""
    change = bootstrap_difference([1.0] * documents, [0.5] * documents)
    assert change.p_value == pytest.approx(least) == pytest.approx(binomtest(0, documents).pvalue)
    sizes = [10.0] * documents
    assert bootstrap_ratio_difference(([9.0] * documents, sizes), ([8.0] * documents, sizes)).p_value == change.p_value


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    draw = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        sizes = draw.uniform(1, 3, 80)
        estimate = bootstrap_ratio(sizes * draw.normal(1.0, 0.2, 80), sizes, resamples=300, seed=seed)
        hits += estimate.low <= 1.0 <= estimate.high
    assert 0.89 <= hits / 200 <= 0.99


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson_interval(3, 0),
        lambda: wilson_interval(4, 3),
        lambda: wilson_interval(1, 3, 1.0),
        lambda: two_proportion_z_test(-1, 3, 1, 3),
        lambda: mcnemar([], []),
        lambda: mcnemar([True], [True, False]),
        lambda: mcnemar([0.5], [1.0]),
        lambda: holm([0.5, 1.5]),
        lambda: cochran_q([[True]]),
        lambda: cochran_q([[True], [True, False]]),
        lambda: bootstrap_ratio([1.0], [0.0]),
        lambda: bootstrap_ratio([float("nan")], [1.0]),
        lambda: bootstrap_ratio([1.0, 2.0], [1.0]),
        lambda: bootstrap_ratio([], []),
        lambda: bootstrap_ratio([1.0], [1.0], resamples=0),
        lambda: bootstrap_ratio_difference(([1.0], [1.0]), ([1.0, 2.0], [1.0, 1.0])),
        lambda: mcnemar_power(10, 0.1, 0.2),
        lambda: minimum_detectable_effect(0, 0.1),
        lambda: minimum_detectable_effect(10, 0.1, power=1.0),
    ],
)
def test_what_cannot_be_computed_is_refused(call):
    with pytest.raises(ConfigError):
        call()

"""Is the difference real? Tests and intervals for paired outcomes and for ratios over documents. No torch here.

Two models that solve the same problems are compared problem by problem: McNemar's exact test, and for several models
Cochran's Q and Holm's correction. Ratios such as bits per byte get their intervals by resampling documents.
"""

from tokengraft.statistics.bootstrap import (
    bootstrap_difference,
    bootstrap_interval,
    bootstrap_ratio,
    bootstrap_ratio_difference,
)
from tokengraft.statistics.cochran import CochranQ, cochran_q
from tokengraft.statistics.estimates import Difference, Estimate
from tokengraft.statistics.holm import holm
from tokengraft.statistics.mcnemar import McNemar, mcnemar
from tokengraft.statistics.power import mcnemar_power, minimum_detectable_effect
from tokengraft.statistics.proportions import ZTest, two_proportion_z_test
from tokengraft.statistics.wilson import wilson_interval

__all__ = [
    "CochranQ",
    "Difference",
    "Estimate",
    "McNemar",
    "ZTest",
    "bootstrap_difference",
    "bootstrap_interval",
    "bootstrap_ratio",
    "bootstrap_ratio_difference",
    "cochran_q",
    "holm",
    "mcnemar",
    "mcnemar_power",
    "minimum_detectable_effect",
    "two_proportion_z_test",
    "wilson_interval",
]

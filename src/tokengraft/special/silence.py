"""The head row of what may never be predicted: pad, and rows of no token.

Without a bias a row w has the logit h·w, and over the positions that are heard its mean probability is about the mean
of exp(h·w − T), T the log-sum of the old logits. The logarithm of that is convex in w, so the quietest row is found
outright; it looks after the loudest positions by itself. A row that is fitted all too well is loud at the first rare
state that was not heard, so a ridge holds it, and how strong a ridge is judged on other text.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from torch import Tensor

from tokengraft.special.hearing import Hearing

RIDGES = tuple(10 ** (step / 4) for step in range(2, -14, -1))
"""Tried from the strongest on."""

SILENT = float(np.log(1e-12))
"""Logarithm of the mean probability that is low enough: a deeper row is only longer, and louder where it is loud."""

HALF = float(np.log(2))
"""A weaker ridge must make at least so much of a difference."""


def silent_row(fitted: Hearing, other: Hearing) -> Float[Tensor, " d"]:
    """The row that is predicted least: fitted on both, with the ridge that serves `other` best after `fitted` alone."""
    row = np.zeros(fitted.hidden.shape[1])
    best, chosen, least = row, RIDGES[0], float("inf")
    for ridge in RIDGES:
        row = _fit([fitted], ridge, row)
        loud = _loudness(row, other)
        if loud > least - HALF:
            break
        best, chosen, least = row, ridge, loud
        if least < SILENT:
            break
    return torch.from_numpy(_fit([fitted, other], chosen, best)).float()


def _fit(hearings: Sequence[Hearing], ridge: float, start: np.ndarray) -> np.ndarray:
    states = torch.cat([hearing.hidden for hearing in hearings]).double().numpy()
    states = states * hearings[0].projection.scale
    totals = torch.cat([hearing.total for hearing in hearings]).numpy()
    weight = ridge * float((states**2).sum(1).mean()) / states.shape[1]

    def loss(row: np.ndarray) -> tuple[float, np.ndarray]:
        nats = states @ row - totals
        return float(logsumexp(nats) - np.log(len(nats)) + weight * (row @ row) / 2), (
            states.T @ softmax(nats) + weight * row
        )

    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return found.x


def _loudness(row: np.ndarray, hearing: Hearing) -> float:
    """Logarithm of the mean probability on text of the model's own."""
    own = (hearing.written > 0).numpy()
    nats = hearing.hidden.double().numpy()[own] @ row * hearing.projection.scale - hearing.total.numpy()[own]
    return float(logsumexp(nats) - np.log(len(nats)))

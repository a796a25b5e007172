"""The head: taught step by step, fitted at the end, or both. Held-out cross-entropy over the extended vocabulary.

The bundled model and the demo's domain. All read the same text: the fit takes its positions from the windows that the
steps go through. Input rows are taught alike by all, so that the heads alone differ in what taught them.
"""

import copy
import dataclasses
import time

import torch

from tokengraft.losses.mixture import HeadMixture, InputMixture
from tokengraft.phases.objectives import Comparison, Scales
from tokengraft.phases.rows import RowsPhase, distill

POSITIONS = 60_000
WAYS = {
    "steps": {"head_objective": "ce", "refit_positions": 0},
    "steps, then the fit": {"head_objective": "ce", "refit_positions": POSITIONS},
    "the fit alone": {"head_objective": "none", "refit_objective": "ce", "refit_positions": POSITIONS},
}


def head_loss(material, model):
    """Cross-entropy of the next token in nats, over old and new tokens, on held-out windows as they come."""
    settings = dataclasses.replace(material.settings, head_objective="ce")
    phase = RowsPhase(model, material.extension, settings, material.heldout)
    heads = HeadMixture.of("ce")
    comparison = Comparison(phase.composed, phase.head, InputMixture.of("kl"), heads, settings, None)
    scales = Scales.of(material.heldout, material.extension.base_size, None)
    taught = [window for window in material.heldout if window.first_new < len(window.student)]
    plain = [window for window in material.heldout if window.first_new == len(window.student)]
    with torch.no_grad():
        parts = [
            loss
            for start in range(0, len(taught), 16)
            for loss in comparison.taught(taught[start : start + 16], scales)
        ]
        parts += [
            loss for start in range(0, len(plain), 16) for loss in comparison.plain(plain[start : start + 16], scales)
        ]
    return float(sum(head for _, head in parts))


def measured(material, *, steps, seeds):
    """Rows of (way, seed, held-out cross-entropy, CPU seconds in all, seconds of the fit by the clock)."""
    for seed in range(seeds):
        for name, changes in WAYS.items():
            model = copy.deepcopy(material.model)
            settings = dataclasses.replace(material.settings, steps=steps, **changes)
            begun = time.process_time()
            outcome = distill(model, material.extension, material.windows, settings=settings, seed=seed)
            spent = time.process_time() - begun
            fit = outcome.fit_seconds if settings.refit_positions else 0.0
            yield {"way": name, "seed": seed, "loss": head_loss(material, model), "seconds": spent, "fit": fit}

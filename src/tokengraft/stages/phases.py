"""All phases of a run in their order, each scored, and the control beside them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tokengraft.artifacts import RunFolder
from tokengraft.config import RunConfig
from tokengraft.config_phases import ROWS, phases_of
from tokengraft.progress import say
from tokengraft.stages.graft import load_base
from tokengraft.stages.inputs import Texts
from tokengraft.stages.later import Learner
from tokengraft.stages.output import write_control
from tokengraft.stages.phase_task import CONTROL, Subject
from tokengraft.stages.scores import LazyScorer, beside_plain, heldout_of, score
from tokengraft.stages.train import teach
from tokengraft.tokenizer import ExtendedTokenizer

Scores = dict[str, Mapping[str, Any]]


def labels(config: RunConfig) -> list[str]:
    """What the models after each phase are called; after the rows: distilled."""
    return ["distilled" if phase.phase == ROWS else phase.label for phase in phases_of(config)]


def learn_all(
    config: RunConfig, run: RunFolder, model: Any, extension: ExtendedTokenizer, texts: Texts, scorer: LazyScorer, *,
    base: str | None = None,
) -> Scores:  # fmt: skip
    """Scores after each phase; the model is trained in place.

    `base` is the model that was extended, where `model` was not grown in this run.

    Raises:
        ModelError: a loss or a weight is not finite.
    """
    phases = phases_of(config)
    if run.has("model", "model") and _scored(run, labels(config)):
        return {label: score(config, run, scorer, label, model, texts) for label in labels(config)}
    scores: Scores = {}
    if phases[0].phase == ROWS:
        beside_plain(config, run, model, extension, texts)
        teach(config, run, model, extension, texts)
        scores["distilled"] = score(config, run, scorer, "distilled", model, texts)
    if any(phase.phase != ROWS for phase in phases):
        # The old rows of the model are about to change.
        subject = Subject(config, run, model, extension, texts, base or config.model, grown=base is None)
        learner = Learner(subject, heldout_of(scorer.scorer, control=False))
        learner.restore()
        for place, label in enumerate(labels(config)):
            if phases[place].phase != ROWS:
                learner.learn(place)
                scores[label] = score(config, run, scorer, label, model, texts)
    return scores


def learn_control(
    config: RunConfig, run: RunFolder, extension: ExtendedTokenizer, texts: Texts, scorer: LazyScorer, *,
    base: str | None = None,
) -> Scores:  # fmt: skip
    """The control's score: the base with its own tokenizer, on the same documents, for the same steps and phases."""
    if config.control is None:
        return {}
    if _scored(run, [CONTROL]):
        return {CONTROL: score(config, run, scorer, CONTROL, None, texts)}
    config = replace(config, model=base or config.model)
    model = load_base(config, run)
    subject = Subject(config, run, model, extension, texts, config.model, control=True)
    learner = Learner(subject, heldout_of(scorer.scorer, control=True))
    learner.restore()
    for place, phase in enumerate(phases_of(config)):
        if phase.phase == ROWS:
            say("control: rows does nothing, for the base has no new row")
        else:
            learner.learn(place)
    write_control(config, run, model, extension)
    scores = score(config, run, scorer, CONTROL, model, texts)
    learner.state.unlink(missing_ok=True)
    return {CONTROL: scores}


def _scored(run: RunFolder, names: list[str]) -> bool:
    return all(run.facts(f"score {name}") is not None for name in names)

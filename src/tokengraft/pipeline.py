"""The flow: choose tokens, extend the tokenizer, grow the model, initialise, distil, measure, report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokengraft.artifacts import RunFolder
from tokengraft.config import RunConfig
from tokengraft.stages.graft import graft, load_base
from tokengraft.stages.inputs import check_inputs, gather_texts
from tokengraft.stages.output import draw_page, write_metrics, write_model
from tokengraft.stages.scores import LazyScorer, memory, passages, score
from tokengraft.stages.tokens import choose_tokens
from tokengraft.stages.train import teach


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its folder, its figures and its page."""

    path: Path
    metrics: Mapping[str, Any]
    report: Path


def expand(config: RunConfig | Mapping[str, Any]) -> Run:
    """The run that gave the model of `config` its new tokens; a stopped run in the same folder goes on.

    Raises:
        TokengraftError: something about the model, the corpus or the folder must be put right first. What can be known
            beforehand is said before any long work, and nothing that was there is changed.
    """
    if not isinstance(config, RunConfig):
        config = RunConfig.from_dict(config)
    base = check_inputs(config)
    with RunFolder.open(Path(config.out), config.to_dict()) as run:
        texts = gather_texts(config, run)
        extension = choose_tokens(config, run, base, texts)
        model = load_base(config, run)
        scorer = LazyScorer(config, model, extension, texts)
        scores = {"base": score(config, run, scorer, "base", model, texts)}
        graft(config, run, model, extension, texts)
        scores["initialised"] = score(config, run, scorer, "initialised", model, texts)
        memory(config, run, model, extension, texts)
        teach(config, run, model, extension, texts)
        scores["distilled"] = score(config, run, scorer, "distilled", model, texts)
        write_model(config, run, model, extension)
        metrics = write_metrics(config, run, extension, scores, passages(config.evaluation, extension, texts.heldout))
        return Run(run.path, metrics, draw_page(run))

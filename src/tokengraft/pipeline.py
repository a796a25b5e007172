"""The flow: choose tokens, extend the tokenizer, grow the model, initialise, train phase by phase, measure, report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokengraft.artifacts import RunFolder
from tokengraft.config import RunConfig
from tokengraft.stages.graft import graft, load_base
from tokengraft.stages.inputs import check_inputs, gather_texts
from tokengraft.stages.output import draw_page, in_order, write_metrics, write_model
from tokengraft.stages.phases import learn_all, learn_control
from tokengraft.stages.scores import LazyScorer, passages, score
from tokengraft.stages.tokens import choose_tokens
from tokengraft.training import processes


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
    processes.begin(config.device)
    with processes.own_folder(Path(config.out)) as place, RunFolder.open(place, config.to_dict()) as run:
        texts = gather_texts(config, run)
        extension = choose_tokens(config, run, base, texts)
        model = load_base(config, run)
        scorer = LazyScorer(config, model, extension, texts)
        scores = {"base": score(config, run, scorer, "base", model, texts)}
        graft(config, run, model, extension, texts)
        scores["initialised"] = score(config, run, scorer, "initialised", model, texts)
        scores |= learn_all(config, run, model, extension, texts, scorer)
        write_model(config, run, model, extension)
        del model
        scores |= learn_control(config, run, extension, texts, scorer)
        examples = passages(config.evaluation, extension, texts.heldout)
        metrics = write_metrics(config, run, extension, in_order(scores), examples)
        return Run(run.path, metrics, draw_page(run))

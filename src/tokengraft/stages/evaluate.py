"""`tokengraft eval`: base, control and extended model on the same held-out text, in one folder and on one page."""

import gc
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from tokengraft import atomic
from tokengraft.artifacts import RunFolder
from tokengraft.corpus import Document, stream
from tokengraft.corpus.sample import sample
from tokengraft.errors import ConfigError
from tokengraft.evaluation.alone import read_alone
from tokengraft.evaluation.comparison import compare, read_figures
from tokengraft.evaluation.details import against, count_verdicts, read_details, write_details, write_tokens
from tokengraft.evaluation.generation import Continuation, continue_together
from tokengraft.evaluation.geometry import geometry
from tokengraft.evaluation.intervals import differences
from tokengraft.evaluation.lm_eval_bridge import run_lm_eval, task_differences
from tokengraft.evaluation.readings import Card, Reading
from tokengraft.evaluation.scorecard import Scorer, generation_score
from tokengraft.model import load_model
from tokengraft.progress import task, watch
from tokengraft.reporting import write_report
from tokengraft.reporting.comparison import write_comparison
from tokengraft.stages.eval_code import code_differences, run_code
from tokengraft.stages.eval_plan import EvalPlan, Subjects, check_plan, domain_documents
from tokengraft.stages.scores import as_sample, once, passages, prompts
from tokengraft.tokenizer import fertility

SHOWN = 4
"""Continuations on the page; figures are of all of them."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What was measured, and where it was written; None: nothing was kept."""

    metrics: Mapping[str, Any]
    path: Path | None
    report: Path | None
    comparison: Path | None
    """The page that sets the models side by side."""


def evaluate_models(plan: EvalPlan) -> Evaluated:
    """Figures of the models of a plan. A stopped evaluation with `out` goes on where it was.

    Models are loaded one after the other, so that memory holds one of them at a time.

    Raises:
        TokengraftError: something about models, texts or the folder must be put right first; said before long work.
    """
    subjects = check_plan(plan)
    if plan.threads is not None:
        torch.set_num_threads(plan.threads)
    with _folder(plan) as run:
        evaluation = _Evaluation(plan, subjects, run)
        scores = {name: evaluation.score(name) for name in evaluation.models}
        metrics = _metrics(evaluation, scores)
        atomic.write_json(run.path / "metrics.json", metrics)
        if plan.out is None:
            return Evaluated(metrics, None, None, None)
        with task("draw the pages"):
            report = write_report(run.path) if metrics["tokens"] is not None else None
            comparison = _compared(run.path, metrics) if len(scores) > 1 else None
        return Evaluated(metrics, run.path, report, comparison)


def _compared(folder: Path, metrics: Mapping[str, Any]) -> Path | None:
    """Where the page that sets the models side by side was written; None where they have nothing in common."""
    if not metrics["code_tasks"] and not any(card["domain"] for card in metrics["models"]):
        return None
    figures = read_figures([str(folder)])
    try:
        comparison = compare(figures, all_pairs=True)  # what the extension brought is the difference to the control
    except ConfigError:  # every benchmark may have been left out for its references
        return None
    return write_comparison(comparison, folder / "comparison.html", figures)


@contextmanager
def _folder(plan: EvalPlan) -> Iterator[RunFolder]:
    settings = {name: value for name, value in asdict(plan).items() if name != "out"}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "evaluation" if plan.out is None else Path(plan.out)
        with RunFolder.open(path, settings) as run:
            yield run


class _Evaluation:
    """The texts and models of a plan, each read when it is first needed."""

    def __init__(self, plan: EvalPlan, subjects: Subjects, run: RunFolder) -> None:
        self.plan, self.extension, self.run = plan, subjects.extension, run
        self.compared = subjects.base is not None
        named = {"base": plan.base, "control": plan.control, _name(subjects): plan.model}
        self.models = {name: place for name, place in named.items() if place is not None}

    @cached_property
    def texts(self) -> dict[str, list[Document]]:
        """Documents by part; an empty list where none were given."""
        size, draw = self.plan.evaluation.fertility_bytes, partial(sample, seed=self.plan.seed)
        general = self.plan.general
        return {
            "domain": draw(watch(domain_documents(self.plan), "read held-out text", "doc"), size)
            if self.plan.domain
            else [],
            "general": draw(watch(stream(general), "read general text", "doc"), size) if general else [],
        }

    @cached_property
    def scorer(self) -> Scorer:
        """The base's reading of the texts."""
        return self._scorer_of(self.load("base"))

    def _scorer_of(self, model: Any) -> Scorer:
        texts = {name: [each.text for each in documents] for name, documents in self.texts.items()}
        names = {name: [each.name for each in documents] for name, documents in self.texts.items()}
        return Scorer.begin(
            model, self.extension, domain=texts["domain"], general=texts["general"], settings=self.plan.evaluation,
            names=names, batch_tokens=self.plan.batch_tokens,
        )  # fmt: skip

    def load(self, name: str) -> Any:
        """One of the models."""
        plan = self.plan
        return load_model(
            self.models[name], dtype=plan.dtype, device=plan.device, trust_remote_code=plan.trust_remote_code
        )

    def score(self, name: str) -> dict[str, Any]:
        """Everything that is measured of one model; what an earlier start has finished is not measured again."""
        stages = {f"score {name}": self._texts_of, f"lm_eval {name}": self._tasks_of, f"code {name}": self._code_of}
        open_stages = [stage for stage in stages if self.run.facts(stage) is None]
        if open_stages:
            if self.compared and self.plan.domain is not None and name != "base":
                _ = self.scorer  # the base is read, and gone, before this model comes
            model = self.load(name)
            for stage in open_stages:
                once(self.run, stage, partial(stages[stage], name, model))
            del model
            gc.collect()
        return {key: value for stage in stages for key, value in (self.run.facts(stage) or {}).items()}

    def _texts_of(self, name: str, model: Any) -> dict[str, Any]:
        if self.plan.domain is None:
            return {"card": {"name": name, "domain": None, "general": None}, "written": []}
        written = self._written(name, model)
        tokenizer = self.extension.base if name in {"base", "control"} else self.extension.file
        reading = self._reading(name, model)
        new = name not in {"base", "control"} and bool(self.extension.new_tokens)
        write_details(self.run.path, reading, geometry(model, self.extension, self.plan.seed) if new else None)
        card: Card = {
            **reading.card(),
            "generation": generation_score(written, tokenizer, self.extension.decomposition),
        }
        return {"card": card, "written": [as_sample(entry) for entry in written[:SHOWN]]}

    def _reading(self, name: str, model: Any) -> Reading:
        if not self.compared:
            return read_alone(name, model, self._scorer_of(model), self.models[name])
        if name == "base":
            self.__dict__["scorer"] = self._scorer_of(model)
            return self.scorer.base_reading()
        return self.scorer.read(name, model, extended=name != "control" and bool(self.extension.new_tokens))

    def _written(self, name: str, model: Any) -> list[Continuation]:
        settings, batch = self.plan.evaluation, self.plan.generation_batch
        texts = prompts(settings, self.texts["domain"])
        tokenizer = self.extension.base if name in {"base", "control"} else self.extension.file
        if texts:  # what is loaded and compiled at the first step is not the model's speed
            list(continue_together(model, tokenizer, texts[:1], max_tokens=2, batch=1))
        written = continue_together(model, tokenizer, texts, max_tokens=settings.prompt_tokens, batch=batch)
        return list(watch(written, f"{name} writes", "prompt", total=len(texts)))

    def _tasks_of(self, name: str, model: Any) -> dict[str, Any]:
        if not self.plan.lm_eval.tasks:
            return {"lm_eval": None}
        return {"lm_eval": run_lm_eval(model, self.models[name], **asdict(self.plan.lm_eval))}

    def _code_of(self, name: str, model: Any) -> dict[str, Any]:
        code = self.plan.code
        if not code.tasks:
            return {"code": None}
        return {"code": run_code(model, self.models[name], code, self.run.path / "code" / name, self.plan.seed)}


def _name(subjects: Subjects) -> str:
    return "extended" if subjects.extension.new_tokens else "model"


def _metrics(evaluation: _Evaluation, scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    plan, run, extension = evaluation.plan, evaluation.run, evaluation.extension
    details = read_details(run.path, list(scores))
    write_tokens(run.path, details, [token.to_dict() for token in extension.new_tokens])
    tasks = {name: entry["lm_eval"] for name, entry in scores.items() if entry["lm_eval"]} or None
    code = {name: entry["code"] for name, entry in scores.items() if entry["code"]} or None
    measured = evaluation.compared and plan.domain is not None
    counted = once(run, "tokens", lambda: _tokens(evaluation)) if measured else None
    samples = passages(plan.evaluation, extension, evaluation.texts["domain"]) if measured else []
    atomic.write_json(run.path / "samples.json", {"passages": samples, "continuations": _side_by_side(scores)})
    if plan.training_log is not None:
        atomic.write_text(run.path / "training.jsonl", Path(plan.training_log).read_text(encoding="utf-8"))
    if extension.new_tokens:
        atomic.write_jsonl(run.path / "candidates.jsonl", (token.to_dict() for token in extension.new_tokens))
    return {
        "kind": "evaluation",
        "title": plan.title or f"{Path(plan.model).name}, measured",
        "model": plan.model,
        "base": plan.base,
        "corpus": None if plan.domain is None else plan.domain.path,
        "general": None if plan.general is None else plan.general.path,
        "seed": plan.seed,
        "hardware": {**run.state["hardware"], "threads": torch.get_num_threads()},
        "versions": run.state["versions"],
        "tokens": counted,
        "checks": [],
        "exactness": None,
        "models": [entry["card"] for entry in scores.values()],
        "differences": differences(details, against(list(scores))) if len(details) == len(scores) else [],
        "verdicts": count_verdicts(details),
        "lm_eval": tasks,
        "lm_eval_differences": task_differences(tasks or {}, against(list(scores))),
        "code_tasks": code,
        "code_differences": code_differences(code or {}, against(list(scores))),
        "gap_closed": None,
        "memory": None,
        "timing": {"stages": run.seconds(), "total_seconds": run.elapsed()},
        "training": None,
    }


def _tokens(evaluation: _Evaluation) -> dict[str, Any]:
    extension, texts = evaluation.extension, evaluation.texts
    counted = {
        name: fertility(extension, [each.text for each in documents]).to_dict() if documents else None
        for name, documents in texts.items()
    }
    return {
        "added": len(extension.new_tokens),
        "asked": None,
        "base_size": extension.base_size,
        "method": extension.method,
        "family": extension.family,
        "fertility": counted,
        "ceiling": None,
    }


def _side_by_side(scores: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = zip(*(entry["written"] for entry in scores.values()), strict=True)
    return [{"prompt": entries[0]["prompt"], **dict(zip(scores, entries, strict=True))} for entries in rows]

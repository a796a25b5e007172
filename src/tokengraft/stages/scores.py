"""What each variant of the model is worth on held-out text, what it writes, and what training it took in memory."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from tokengraft.artifacts import RunFolder
from tokengraft.config import EvaluationConfig, RunConfig
from tokengraft.corpus import Document
from tokengraft.errors import DeviceError
from tokengraft.evaluation.details import write_details
from tokengraft.evaluation.generation import Continuation, continue_greedily
from tokengraft.evaluation.geometry import geometry
from tokengraft.evaluation.paired_text import PairedText
from tokengraft.evaluation.readings import Reading
from tokengraft.evaluation.scorecard import Scorer, generation_score
from tokengraft.evaluation.step_memory import Case, compare_memory
from tokengraft.evaluation.step_speed import compare_speed
from tokengraft.evaluation.windows import byte_windows, spread
from tokengraft.model.load import pick_device
from tokengraft.phases.task import Heldout
from tokengraft.phases.texts import training_text
from tokengraft.progress import task, watch
from tokengraft.stages.inputs import Texts
from tokengraft.stages.phase_task import CONTROL
from tokengraft.stages.train import windows_for
from tokengraft.tokenizer import ExtendedTokenizer, TokenizerFile
from tokengraft.training.batches import mixed_batches
from tokengraft.training.windows import Window

PROMPT_BYTES = 240
PASSAGE_BYTES = 700


def once(run: RunFolder, stage: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Facts of a stage: made now, or read from an earlier start."""
    facts = run.facts(stage)
    if facts is None:
        with run.stage(stage) as facts:
            facts.update(make())
    return facts


class LazyScorer:
    """Held-out text as the base reads it, read when the first score asks for it."""

    def __init__(self, config: RunConfig, model: Any, extension: ExtendedTokenizer, texts: Texts) -> None:
        self.extension = extension
        self._begin = partial(scorer_for, config, model, extension, texts)

    @cached_property
    def scorer(self) -> Scorer:
        """The scorer; the model that it was made with has the base's old rows, grown or not."""
        return self._begin()


def scorer_for(config: RunConfig, model: Any, extension: ExtendedTokenizer, texts: Texts) -> Scorer:
    """Held-out text as the base reads it; `model` has the base's old rows."""
    return Scorer.begin(
        model,
        extension,
        domain=[document.text for document in texts.heldout],
        general=[document.text for document in texts.general],
        settings=config.evaluation,
        names={"domain": [each.name for each in texts.heldout], "general": [each.name for each in texts.general]},
    )


def score(config: RunConfig, run: RunFolder, scorer: LazyScorer, name: str, model: Any, texts: Texts) -> dict[str, Any]:
    """Card and continuations of one variant. The base is the same model asked in its own tokenization."""
    extension = scorer.extension
    tokenizer = extension.base if name in {"base", CONTROL} else extension.file

    def make() -> dict[str, Any]:
        reading = _reading(scorer.scorer, name, model)
        written = [
            continue_greedily(model, tokenizer, prompt, max_tokens=config.evaluation.prompt_tokens)
            for prompt in watch(prompts(config.evaluation, texts.heldout), f"{name} writes", "prompt")
        ]
        generated = generation_score(written, tokenizer, extension.decomposition)
        write_details(run.path, reading, None if name in {"base", CONTROL} else geometry(model, extension, config.seed))
        return {"card": {**reading.card(), "generation": generated}, "written": [as_sample(entry) for entry in written]}

    return once(run, f"score {name}", make)


def _reading(scorer: Scorer, name: str, model: Any) -> Reading:
    if name == "base":
        return scorer.base_reading()
    return scorer.read(name, model, extended=name != CONTROL)


def heldout_of(scorer: Scorer, *, control: bool) -> dict[str, Heldout]:
    """The run's held-out text as windows, for figures while a phase is under way."""
    return {part: Heldout(_judged(text, control=control), text.bytes) for part, (text, _) in scorer.texts.items()}


def _judged(text: PairedText, *, control: bool) -> list[Window]:
    rows = [window.teacher if control else window.student for window in text.windows]
    return [Window(ids, ids, np.arange(len(ids)), len(ids), np.arange(len(ids)) >= text.first) for ids in rows]


def beside_plain(config: RunConfig, run: RunFolder, model: Any, extension: ExtendedTokenizer, texts: Texts) -> None:
    """Notes peak memory and speed of the engine beside the plain way on the first batch, where that was asked for."""
    if not config.evaluation.memory or run.facts("memory") is not None:
        return
    case = _first_batch(config, model, extension, texts)

    def make() -> dict[str, Any]:
        with task("measure memory, speed"):
            try:
                fit = run.facts("distill") or {}
                seconds, steps = fit.get("fit_seconds") or 0.0, fit.get("steps") or 1
                speed = compare_speed(case, fit_seconds=seconds, steps=steps)
                return compare_memory(case).to_dict() | {"speed": speed.to_dict()}
            except DeviceError as error:
                return {"unknown": error.found}

    once(run, "memory", make)


def _first_batch(config: RunConfig, model: Any, extension: ExtendedTokenizer, texts: Texts) -> Case:
    windows = windows_for(config, model, extension, texts)
    taught, others, settings = training_text(
        model, extension, windows.domain, windows.replay, config.distill, config.seed
    )
    batch = next(mixed_batches(taught, others, settings.tokens_per_step, settings.replay_share, config.seed, 0))
    device = str(pick_device(config.device))
    if settings.teacher_cache == "auto":
        # A cache of one batch would always seem to pay.
        settings = dataclasses.replace(settings, teacher_cache="none")
    return Case(
        model=config.model,
        device=device,
        dtype="float32" if (config.dtype, device) == ("auto", "cpu") else config.dtype,
        trust_remote_code=config.trust_remote_code,
        base_size=extension.base_size,
        size=extension.size,
        windows=batch,
        settings=settings,
    )


def prompts(settings: EvaluationConfig, documents: Sequence[Document]) -> list[str]:
    """Beginnings of held-out windows, each cut after a word."""
    if not settings.prompts:
        return []
    windows = list(byte_windows([document.text for document in documents], PROMPT_BYTES))
    wanted = [window for window in windows if len(window) > PROMPT_BYTES // 2]
    chosen = spread(wanted or windows, settings.prompts * PROMPT_BYTES)
    return [_after_word(window) for window in chosen[: settings.prompts]]


def passages(
    settings: EvaluationConfig, extension: ExtendedTokenizer, documents: Sequence[Document]
) -> list[dict[str, Any]]:
    """Held-out passages in both tokenizations, as [text, id] pairs."""
    found = []
    for document in documents[: settings.samples]:
        windows = list(byte_windows([document.text], PASSAGE_BYTES))
        # The middle of a document: its beginning is often a licence.
        text = windows[len(windows) // 2]
        found.append(
            {
                "name": document.name,
                "base": _pieces(extension.base, text),
                "extended": _pieces(extension.file, text),
            }
        )
    return found


def _pieces(tokenizer: TokenizerFile, text: str) -> list[list[Any]]:
    [ids] = tokenizer.encode([text])
    return [[tokenizer.token_bytes(number).decode("utf-8", errors="backslashreplace"), number] for number in ids]


def _after_word(text: str) -> str:
    cut = text[: len(text) * 3 // 4]
    head, space, _ = cut.rpartition(" ")
    return head if space and head.strip() else cut


def as_sample(entry: Continuation) -> dict[str, Any]:
    """A continuation as `samples.json` holds it."""
    return {
        "prompt": entry.prompt,
        "text": entry.text,
        "tokens": len(entry.ids),
        "bytes": entry.bytes,
        "steps": entry.steps,
        "seconds": round(entry.seconds, 3),
        "stopped": entry.stopped,
    }

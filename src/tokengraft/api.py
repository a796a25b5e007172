"""The steps of the flow as functions on Hugging Face objects, for use from Python."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tokengraft.config import CorpusConfig, DistillConfig, EvaluationConfig, InitConfig, build, check_ranges
from tokengraft.config_phases import ROWS, PhaseConfig, check_phases
from tokengraft.corpus import stream
from tokengraft.errors import ConfigError, CorpusError, ModelError, TokenizerError
from tokengraft.evaluation.scorecard import Scorer
from tokengraft.init import initialise as initialise_rows
from tokengraft.model import NewRows, find_tables, load_model
from tokengraft.model import grow as grow_model
from tokengraft.phases import distill as distill_rows
from tokengraft.phases import training_windows
from tokengraft.phases.checks import check_later_phases
from tokengraft.phases.journal import folder_journal
from tokengraft.phases.material import material
from tokengraft.phases.merging import merge_adapter as fold_adapter
from tokengraft.phases.run import run_task
from tokengraft.phases.starting import gather_ingredients
from tokengraft.phases.task import Task
from tokengraft.reporting import write_report
from tokengraft.tokenizer import ExtendedTokenizer, TokenizerFile
from tokengraft.training.loop import Outcome

Corpus = str | Path | CorpusConfig | Iterable[str]


def grow(model: Any, extension: ExtendedTokenizer, *, pad_to_multiple_of: int = 1) -> Any:
    """The model with a row in both tables for every id; in place, old rows and old logits bit-identical.

    `model` is a causal LM, or the path or hub id of one, which is then loaded.

    Raises:
        ModelError: the model has no tables that can be grown, or is not the tokenizer's.
        ConfigError: `pad_to_multiple_of` is below 1.
    """
    if pad_to_multiple_of < 1:
        raise ConfigError(
            found=f"pad_to_multiple_of = {pad_to_multiple_of}", expected="1 or more", do="leave it out, or give 64"
        )
    return grow_model(_loaded(model), extension, pad_to_multiple_of=pad_to_multiple_of)


def initialise(
    model: Any,
    extension: ExtendedTokenizer,
    *,
    inputs: str = "exponential",
    head: str = "first-subtoken",
    calibrate: bool = False,
    corpus: Corpus = (),
    replay: Corpus = (),
    donor: Any = None,
    names: Mapping[str, Sequence[str]] | None = None,
    descriptions: Mapping[str, str] | None = None,
    settings: InitConfig | None = None,
    seed: int = 0,
) -> NewRows:
    """The new rows of a grown model, written into it by the named methods, input table and head apart.

    `model` is the loaded model that `grow` returned: a path would leave nobody who holds what was written. Some methods
    ask for more: a `corpus`, a `donor` (path or hub id), `names` or `descriptions` by the text of a token. `calibrate`
    scales each row to the median norm of its old table. `settings` holds what else a method may be told, such as
    `neighbours`.

    Raises:
        ConfigError: there is no method of that name, or it lacks what it is made from.
        ModelError: `model` is not loaded, or was not grown.
    """
    _require_grown(model, extension)
    chosen = settings or InitConfig()
    check_ranges(chosen, "init.")
    given = gather_ingredients(
        model, extension, list(corpus_texts(corpus)), list(corpus_texts(replay)), settings=chosen, donor=donor,
        names=names, descriptions=descriptions, seed=seed,
    )  # fmt: skip
    return initialise_rows(
        model, extension, inputs=inputs, head=head, calibrate=calibrate, seed=seed, ingredients=given
    )


def distill(
    model: Any, base: Any, extension: ExtendedTokenizer, corpus: Corpus, *, settings: DistillConfig | None = None,
    seed: int = 0, **changes: Any,
) -> Outcome:  # fmt: skip
    """What phase 1 did; the new rows of a grown and initialised `model` are trained in place, nothing else moves.

    `model` is the loaded model that `grow` returned. The teacher is the same frozen model reading the tokenization of
    `base`, the tokenizer that was extended (or its path). `changes` are settings of `DistillConfig`: `steps=100,
    objective="kl", temperature=2.0`.

    Raises:
        ConfigError: there is no setting or objective of that name, or a value cannot be.
        TokenizerError: `base` is not the tokenizer that was extended.
        CorpusError: the corpus cannot be read, or has no text to train on.
        ModelError: `model` is not loaded or was not grown, a loss is not finite, or the head is of an unknown kind.
    """
    chosen = build(DistillConfig, {**dataclasses.asdict(settings or DistillConfig()), **changes})
    check_ranges(chosen, "distill.")
    _require_grown(model, extension)
    _require_base(TokenizerFile.load(base), extension)
    windows = training_windows(model, extension, corpus_texts(corpus), chosen)
    if not windows and not chosen.generated:
        raise CorpusError(
            found="no text of more than one token", expected="text to train on", do="give a corpus with text"
        )
    return distill_rows(model, extension, windows, settings=chosen, seed=seed)


def train(
    model: Any, extension: ExtendedTokenizer, corpus: Corpus, phase: str = "lora", *, replay: Corpus = (),
    base: Any = None, seed: int = 0, folder: str | Path | None = None, settings: PhaseConfig | None = None,
    **changes: Any,
) -> list[Outcome]:  # fmt: skip
    """What each part of a later phase did; a grown and initialised `model` is trained in place.

    Afterwards it is a plain model again: what an adapter learned is folded in, and its logits have been compared.
    `changes` are settings of `PhaseConfig`: `steps=100, rank=8`. `replay` is general text, read along; `base`
    the model before it was grown, for `kl_share`. In `folder` a stopped phase finds its checkpoint, and its `log.jsonl`
    and `adapter/` are kept there.

    Raises:
        ConfigError: there is no phase or setting of that name, or a value cannot be.
        CorpusError: the corpus cannot be read, or has no text to train on.
        ModelError: `model` is not loaded or was not grown, a target matches no module, or a loss is not finite.
        RunFolderError: the checkpoint in `folder` belongs to another model, tokenizer or phase.
    """
    given = {} if settings is None else dataclasses.asdict(settings)
    chosen = build(PhaseConfig, {**given, "phase": phase, **changes})
    check_phases([chosen])
    check_later_phases([chosen])
    if chosen.phase == ROWS:
        raise ConfigError(found="phase rows", expected="a later phase", do="call tokengraft.distill for the rows")
    if chosen.kl_share and base is None:
        raise ConfigError(
            found=f"kl_share = {chosen.kl_share} and no base",
            expected="the model that KL is taken to",
            do="give base: the model before it was grown",
        )
    _require_grown(model, extension)
    found = material(model, extension, list(corpus_texts(corpus)) if chosen.instructions is None else [], chosen)
    if not found.windows:
        raise CorpusError(
            found="no text of more than one token", expected="text to train on", do="give a corpus with text"
        )
    plain = dataclasses.replace(chosen, instructions=None, cut="windows")
    place = None if folder is None else Path(folder)
    task = Task(
        model=model,
        base_size=extension.base_size,
        size=extension.size,
        windows=found.windows,
        replay=material(model, extension, list(corpus_texts(replay)), plain).windows,
        settings=chosen,
        first_pieces=tuple(token.pieces[0] for token in extension.new_tokens),
        teacher=_loaded(base) if chosen.kl_share else None,
        seed=seed if chosen.seed is None else chosen.seed,
        adapter=place / "adapter" if place and phase == "lora" else None,
    )
    return run_task(task, None if place is None else partial(folder_journal, place, extension.file.fingerprint))


def merge_adapter(model: Any, adapter: str | Path) -> float:
    """The largest change of a logit, against the largest, by folding a saved adapter into a loaded model, in place.

    Raises:
        ModelError: the folder holds no adapter, or one for another model.
        CheckError: the logits changed by more than rounding explains.
    """
    return fold_adapter(model, adapter)


def evaluate(
    model: Any, base: Any, extension: ExtendedTokenizer, domain: Corpus, general: Corpus = (), *, name: str = "model",
    settings: EvaluationConfig | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Figures of a grown `model` on held-out text, with those of its base beside them under `base`.

    `base` is the model before it was grown, or None where the old rows of `model` are still the base's. Each is a
    loaded model, or a path or hub id, which is then loaded.

    Raises:
        ConfigError: a setting has a value that cannot be.
        CorpusError: a corpus cannot be read, or the domain has no text.
        ModelError: a model cannot be loaded, `model` was not grown, or its head is of an unknown kind.
    """
    chosen = settings or EvaluationConfig()
    check_ranges(chosen, "evaluation.")
    grown = _loaded(model)
    _require_grown(grown, extension)
    texts = list(corpus_texts(domain))
    if not any(texts):
        raise CorpusError(found="no text in domain", expected="held-out text of the domain", do="give some")
    scorer = Scorer.begin(
        grown if base is None else _loaded(base),
        extension,
        domain=texts,
        general=list(corpus_texts(general)),
        settings=chosen,
    )
    return {**scorer.score(name, grown), "base": scorer.base()}


def report(run: Any) -> Path:
    """Path of the page of a run, drawn anew; `run` is its folder, or what `expand` returned.

    Raises:
        RunFolderError: the folder holds no finished run.
    """
    return write_report(Path(getattr(run, "path", run)))


def _loaded(model: Any) -> Any:
    return load_model(str(model)) if isinstance(model, str | Path) else model


def corpus_texts(corpus: Corpus) -> Iterable[str]:
    """The texts of a corpus, whichever way it is given."""
    if isinstance(corpus, str | Path):
        corpus = CorpusConfig(str(corpus))
    if isinstance(corpus, CorpusConfig):
        return (document.text for document in stream(corpus))
    return corpus


def _require_grown(model: Any, extension: ExtendedTokenizer) -> None:
    if not hasattr(model, "get_input_embeddings"):
        raise ModelError(
            found=f"{model!r} of type {type(model).__name__} as model",
            expected="a loaded Hugging Face model, which is changed in place",
            do="load and grow it first: model = tokengraft.grow(path, extension)",
        )
    rows = find_tables(model).rows
    if rows < extension.size:
        raise ModelError(
            found=f"{rows} rows in the model's tables for {extension.size} ids",
            expected="a row for every id",
            do="grow the model first: model = tokengraft.grow(model, extension)",
        )


def _require_base(base: TokenizerFile, extension: ExtendedTokenizer) -> None:
    if base.ids != extension.base.ids:
        raise TokenizerError(
            found=f"a base tokenizer ({base.name}) of {base.size} ids, whose vocabulary is another",
            expected=f"the one that was extended, of {extension.base_size} ids",
            do="give the tokenizer that extend_tokenizer was given",
        )

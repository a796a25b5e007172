"""The steps of the flow as functions on Hugging Face objects, for use from Python."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokengraft.config import CorpusConfig, DistillConfig, EvaluationConfig
from tokengraft.corpus import stream
from tokengraft.errors import TokenizerError
from tokengraft.evaluation.scorecard import Scorer
from tokengraft.init import initialise as initialise_rows
from tokengraft.model import NewRows, load_model
from tokengraft.model import grow as grow_model
from tokengraft.phases import distill as distill_rows
from tokengraft.phases import training_windows
from tokengraft.reporting import write_report
from tokengraft.tokenizer import ExtendedTokenizer, TokenizerFile
from tokengraft.training.loop import Outcome

Corpus = str | Path | CorpusConfig | Iterable[str]


def grow(model: Any, extension: ExtendedTokenizer, *, pad_to_multiple_of: int = 1) -> Any:
    """The model with a row in both tables for every id; in place, old rows and old logits bit-identical.

    `model` is a causal LM, or the path or hub id of one, which is then loaded.

    Raises:
        ModelError: the model has no tables that can be grown, or is not the tokenizer's.
    """
    loaded = load_model(str(model)) if isinstance(model, str | Path) else model
    return grow_model(loaded, extension, pad_to_multiple_of=pad_to_multiple_of)


def initialise(
    model: Any,
    extension: ExtendedTokenizer,
    *,
    inputs: str = "subtoken-mean",
    head: str = "first-subtoken",
    seed: int = 0,
) -> NewRows:
    """The new rows of a grown model, written into it by the named methods, input table and head apart.

    Raises:
        ConfigError: there is no method of that name.
    """
    return initialise_rows(model, extension, inputs=inputs, head=head, seed=seed)


def distill(
    model: Any, base: Any, extension: ExtendedTokenizer, corpus: Corpus, *, settings: DistillConfig | None = None,
    seed: int = 0, **changes: Any,
) -> Outcome:  # fmt: skip
    """What phase 1 did; the new rows of a grown and initialised `model` are trained in place, nothing else moves.

    The teacher is the same frozen model reading the tokenization of `base`, the tokenizer that was extended (or its
    path). `changes` are settings of `DistillConfig`: `steps=100, objective="kl", temperature=2.0`.

    Raises:
        TokenizerError: `base` is not the tokenizer that was extended.
        CorpusError: the corpus cannot be read.
        ModelError: a loss is not finite, or the model's head is of an unknown kind.
    """
    if TokenizerFile.load(base).size != extension.base_size:
        raise TokenizerError(
            found=f"a base tokenizer of {TokenizerFile.load(base).size} ids",
            expected=f"the one that was extended, of {extension.base_size} ids",
            do="give the tokenizer that extend_tokenizer was given",
        )
    chosen = dataclasses.replace(settings or DistillConfig(), **changes)
    windows = training_windows(model, extension, corpus_texts(corpus), chosen)
    return distill_rows(model, extension, windows, settings=chosen, seed=seed)


def evaluate(
    model: Any, base: Any, extension: ExtendedTokenizer, domain: Corpus, general: Corpus = (), *, name: str = "model",
    settings: EvaluationConfig | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Figures of a grown `model` on held-out text, with those of its base beside them under `base`.

    `base` is the model before it was grown, or None where the old rows of `model` are still the base's.

    Raises:
        CorpusError: a corpus cannot be read.
        ModelError: the model's head is of an unknown kind.
    """
    scorer = Scorer.begin(
        model if base is None else base,
        extension,
        domain=list(corpus_texts(domain)),
        general=list(corpus_texts(general)),
        settings=settings,
    )
    return {**scorer.score(name, model), "base": scorer.base()}


def report(run: Any) -> Path:
    """Path of the page of a run, drawn anew; `run` is its folder, or what `expand` returned.

    Raises:
        RunFolderError: the folder holds no finished run.
    """
    return write_report(Path(getattr(run, "path", run)))


def corpus_texts(corpus: Corpus) -> Iterable[str]:
    """The texts of a corpus, whichever way it is given."""
    if isinstance(corpus, str | Path):
        corpus = CorpusConfig(str(corpus))
    if isinstance(corpus, CorpusConfig):
        return (document.text for document in stream(corpus))
    return corpus

"""Single steps of the flow on model folders: grow and initialise, distil; each writes a folder that loads as it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokengraft import atomic
from tokengraft.config import CorpusConfig, DistillConfig, InitConfig
from tokengraft.corpus import stream
from tokengraft.errors import CorpusError, RunFolderError
from tokengraft.init import check_methods, initialise
from tokengraft.model import find_tables, grow, load_model
from tokengraft.model.stored import refuse_narrower, stored_dtype
from tokengraft.phases import distill, training_windows
from tokengraft.phases.row_settings import check_objectives
from tokengraft.phases.starting import choose_methods, gather_ingredients
from tokengraft.tokenizer import ExtendedTokenizer
from tokengraft.training.loop import Journal, Outcome


def graft_folder(
    model: str, extension: str, out: Path, settings: InitConfig, *, corpus: CorpusConfig | None = None,
    replay: CorpusConfig | None = None, seed: int = 0, device: str = "auto",
) -> dict[str, Any]:  # fmt: skip
    """What was done; `out` then holds the grown model, initialised, with the extended tokenizer beside it.

    `extension` is a folder that `tokengraft extend` or a run wrote, of the tokenizer of `model`.

    Raises:
        TokengraftError: a method lacks an ingredient, or a folder cannot be used; nothing was written.
    """
    _refuse_occupied(out)
    check_methods(settings)
    extended = ExtendedTokenizer.load(extension, model)
    texts, others = texts_of(corpus), texts_of(replay)
    loaded = grow(load_model(model, device=device), extended)
    refuse_narrower(model, loaded.dtype)
    given = gather_ingredients(loaded, extended, texts, others, settings=settings, seed=seed)
    names = choose_methods(given, settings, tied=find_tables(loaded).tied)
    initialise(
        loaded, extended, inputs=names["inputs"], head=names["head"], calibrate=settings.calibrate, seed=seed,
        ingredients=given,
    )  # fmt: skip
    _write(loaded, extended, out, model)
    return {"out": str(out), "added": len(extended.new_tokens), **names}


def distill_folder(
    model: str, base: str, out: Path, corpus: CorpusConfig, settings: DistillConfig, *,
    replay: CorpusConfig | None = None, seed: int = 0, device: str = "auto",
) -> tuple[dict[str, Any], Outcome]:  # fmt: skip
    """(what was done, losses by step); `out` then holds the model of the folder `model` with its rows distilled.

    `base` is the model, or its tokenizer, that was extended. A stopped call goes on from a checkpoint beside `out`.

    Raises:
        TokengraftError: the folders do not belong together, or the corpus has no text; nothing was written.
    """
    _refuse_occupied(out)
    check_objectives(settings)
    extended = ExtendedTokenizer.load(model, base)
    loaded = load_model(model, device=device)
    refuse_narrower(model, loaded.dtype)
    windows = training_windows(loaded, extended, texts_of(corpus), settings)
    others = training_windows(loaded, extended, texts_of(replay), settings)
    if not windows:
        raise CorpusError(
            found=f"no text of more than one token in {corpus.path}", expected="text to train on", do="check the path"
        )
    checkpoint = out.with_name(f".{out.name}.checkpoint.safetensors")
    outcome = distill(
        loaded, extended, windows, others, settings=settings, seed=seed, journal=Journal(checkpoint),
        stored=stored_dtype(model),
    )  # fmt: skip
    _write(loaded, extended, out, model)
    checkpoint.unlink(missing_ok=True)
    first, last = (outcome.losses[place] if outcome.losses else {} for place in (0, -1))
    return {"out": str(out), "steps": outcome.steps, "first": first, "last": last}, outcome


def texts_of(corpus: CorpusConfig | None) -> list[str]:
    """Its texts; none where there is no corpus.

    Raises:
        CorpusError: it cannot be read.
    """
    return [] if corpus is None else [document.text for document in stream(corpus)]


def corpus_of(values: Mapping[str, Any] | str | None) -> CorpusConfig | None:
    """A corpus by its path."""
    return None if values is None else CorpusConfig(values) if isinstance(values, str) else CorpusConfig(**values)


def _refuse_occupied(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(
            found=f"{out} is there already", expected="a new or empty folder", do="choose another place with --out"
        )


def _write(model: Any, extension: ExtendedTokenizer, out: Path, source: str) -> None:
    with atomic.folder(out) as place:
        # Every old row came from that dtype: nothing is lost.
        model.to(stored_dtype(source)).save_pretrained(place)
        extension.save(place)

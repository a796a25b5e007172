"""The grafted model: loaded, grown, its old rows and logits proved to be what they were, its new rows initialised."""

import time
from dataclasses import asdict
from typing import Any

import torch

from tokengraft.artifacts import RunFolder, versions
from tokengraft.config import RunConfig
from tokengraft.errors import CheckError
from tokengraft.evaluation.exactness import Imprint
from tokengraft.init import initialise
from tokengraft.model import find_tables, grow, load_model
from tokengraft.model.stored import refuse_narrower
from tokengraft.phases.starting import choose_methods, gather_ingredients
from tokengraft.stages.inputs import Texts
from tokengraft.tokenizer import ExtendedTokenizer

IMPRINT_CHARACTERS = 20_000
"""Held-out text whose logits are compared before and after growing: some ten batches of 512 positions."""


def load_base(config: RunConfig, run: RunFolder) -> Any:
    """The base model, frozen, on the run's device, with as many CPU threads as the run began with.

    Raises:
        ModelError: it cannot be loaded, or has no tables that can be grown.
        DeviceError: the asked dtype would round its weights.
    """
    before = run.facts("setup") or {}
    # Another number of threads sums in another order: a resumed run would not end in the same bits.
    threads = config.threads or before.get("threads")
    if threads is not None:
        torch.set_num_threads(threads)
    model = load_model(
        config.model, dtype=config.dtype, device=config.device, trust_remote_code=config.trust_remote_code
    )
    refuse_narrower(config.model, model.dtype)
    if not before:
        run.finish(
            "setup", {"threads": torch.get_num_threads(), "device": str(model.device), "dtype": str(model.dtype)}
        )
    elif run.state["versions"] != versions():
        run.log("other versions", **versions())
    return model


def graft(config: RunConfig, run: RunFolder, model: Any, extension: ExtendedTokenizer, texts: Texts) -> Any:
    """The model with new rows in both tables, initialised; old rows and old logits are compared bit for bit.

    Raises:
        CheckError: an old row or an old logit changed.
        ModelError: the model has fewer rows than the tokenizer has ids.
    """
    imprint = Imprint.take(model, _old_ids(extension, texts), extension.base_size)
    grow(model, extension)
    _initialise(config, run, model, extension, texts)
    if run.facts("grow") is None:
        exactness = imprint.compare(model)
        if not (exactness.old_rows_identical and exactness.old_logits_identical):
            raise CheckError(
                found=f"old rows identical: {exactness.old_rows_identical}, logits: {exactness.old_logits_identical}",
                expected="both identical bit for bit after growing",
                do="report the architecture and the device; nothing was written over",
            )
        run.finish("grow", asdict(exactness))
    return model


def _initialise(config: RunConfig, run: RunFolder, model: Any, extension: ExtendedTokenizer, texts: Texts) -> None:
    """Rows by the methods of the settings; what `auto` chose at the first start is kept for later ones."""
    settings, before = config.init, run.facts("initialise")
    begun = time.monotonic()
    given = gather_ingredients(
        model,
        extension,
        [document.text for document in texts.training],
        [document.text for document in texts.replay],
        settings=settings,
        distill=config.distill,
        seed=config.seed,
    )
    names = before or choose_methods(given, settings, tied=find_tables(model).tied)
    initialise(
        model,
        extension,
        inputs=names["inputs"],
        head=names["head"],
        calibrate=settings.calibrate,
        seed=config.seed,
        ingredients=given,
    )
    if before is None:
        run.finish("initialise", names, seconds=time.monotonic() - begun)


def _old_ids(extension: ExtendedTokenizer, texts: Texts) -> list[int]:
    source = texts.general or texts.heldout
    text = "".join(document.text for document in source)[:IMPRINT_CHARACTERS]
    return extension.base.encode([text])[0]

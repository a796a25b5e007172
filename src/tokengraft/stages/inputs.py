"""Everything that can be known to be wrong before any long work, and the texts that the run works on."""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tokengraft.artifacts import RunFolder
from tokengraft.config import RunConfig, check_ranges
from tokengraft.config_phases import ROWS, check_phases, phases_of
from tokengraft.corpus import Document, check_readable, require_parts, stream, stream_part
from tokengraft.corpus.sample import sample
from tokengraft.errors import RunFolderError
from tokengraft.init import check_methods
from tokengraft.model.checks import check_fit, check_model, read_config
from tokengraft.model.load import pick_device, pick_dtype
from tokengraft.phases.checks import check_later_phases, check_phases_fit
from tokengraft.phases.row_settings import check_objectives
from tokengraft.progress import watch
from tokengraft.stages.places import check_places
from tokengraft.tokenizer import TokenizerFile, check_choices, family_of, seen_as
from tokengraft.training.schedules import schedules

BYTES_PER_TOKEN = 5
"""Text that is kept for each token of training to come: more than any base tokenizer makes of a token on average."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Text of the run by what it is for. The tokens' part is not here: it is streamed."""

    training: list[Document]
    heldout: list[Document]
    general: list[Document]
    """Empty where no general corpus was given."""
    replay: list[Document]
    """Empty where no replay corpus was given."""


def check_inputs(config: RunConfig) -> TokenizerFile:
    """The base tokenizer, once model, corpora, device, methods and disk are what they should be.

    Raises:
        TokengraftError: the first thing found that would stop the run later.
    """
    check_ranges(config)
    check_phases(config.phases)
    check_later_phases(phases_of(config))
    check_places(config)
    check_methods(config.init)
    check_objectives(config.distill)
    schedules.get(config.distill.schedule)
    check_choices(config.tokens, guarded=config.general is not None)
    pick_dtype(config.dtype, pick_device(config.device))
    check_model(config.model)
    settings = read_config(config.model, trust_remote_code=config.trust_remote_code)
    check_phases_fit(settings, phases_of(config))
    check_readable(config.corpus)
    require_parts(config.corpus, config.shares)
    for corpus in (config.general, config.replay, config.tokens.reference):
        if corpus is not None:
            check_readable(corpus)
    base = TokenizerFile.load(config.model)
    seen_as(config.tokens.method, family_of(base))
    check_fit(config.model, settings, base.size, trust_remote_code=config.trust_remote_code)
    check_space(config)
    return base


def gather_texts(config: RunConfig, run: RunFolder) -> Texts:
    """Training and held-out documents, drawn in bounded memory; the same ones at every start of the run.

    Raises:
        CorpusError: a corpus cannot be read, or is too small to be split.
        RunFolderError: the corpus has changed since the run began.
    """
    budget = _training_bytes(config)
    measured = config.evaluation.fertility_bytes

    def draw(documents: Iterable[Document], size: int, what: str) -> list[Document]:
        return sample(watch(documents, f"read {what} text", "doc"), size, config.seed)

    begun = time.monotonic()
    texts = Texts(
        training=draw(stream_part(config.corpus, config.shares, "training"), budget, "training"),
        heldout=draw(stream_part(config.corpus, config.shares, "heldout"), measured, "held-out"),
        general=draw(stream(config.general), measured, "general") if config.general else [],
        replay=draw(stream(config.replay), budget, "replay") if config.replay else [],
    )
    _check_unchanged(texts, run, time.monotonic() - begun)
    return texts


def _training_bytes(config: RunConfig) -> int:
    """Bytes of text that the longest phase can read; all there is, where a phase counts in passes over the text."""
    plans = [config.distill if phase.phase == ROWS else phase for phase in phases_of(config)]
    if any(getattr(plan, "epochs", None) is not None for plan in plans):
        return sys.maxsize
    return max(1, *(plan.steps * plan.tokens_per_step * BYTES_PER_TOKEN for plan in plans))


def _check_unchanged(texts: Texts, run: RunFolder, seconds: float) -> None:
    facts = {name: _fingerprint(getattr(texts, name)) for name in ("training", "heldout", "general", "replay")}
    before = run.facts("texts")
    if before is None:
        run.finish("texts", facts, seconds=seconds)
    elif before != facts:
        raise RunFolderError(
            found=f"other text in the corpus than when the run in {run.path} began",
            expected="an unchanged corpus, for a result that an uninterrupted run would have had",
            do="choose another place with --out to begin anew",
        )


def _fingerprint(documents: list[Document]) -> dict[str, int | str]:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(json.dumps([document.name, document.text]).encode())
    size = sum(len(document.text.encode()) for document in documents)
    return {"documents": len(documents), "bytes": size, "sha256": digest.hexdigest()}


def check_space(config: RunConfig) -> None:
    """Returns where the disk has room for what the run will write.

    Raises:
        RunFolderError: it has not.
    """
    model = Path(config.model)
    if not model.is_dir():
        return
    weights = sum(path.stat().st_size for path in model.glob("*.safetensors"))
    place = Path(config.out).absolute()
    # Not Path.exists, which fails on a name that is too long: RunFolder.open says what is wrong with it.
    while not os.path.exists(place):
        place = place.parent
    # The model once, and the rows with their two moments: far less than a tenth of the model.
    need, free = int(weights * 1.2) + 32 * 2**20, shutil.disk_usage(place).free
    if free < need:
        raise RunFolderError(
            found=f"{free / 2**20:.0f} MiB free in {place}",
            expected=f"about {need / 2**20:.0f} MiB for the extended model",
            do="free some space, or choose another place with --out",
        )

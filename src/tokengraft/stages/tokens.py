"""Choosing tokens and extending the tokenizer, with its promises proved on the run's own text."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from tokengraft import atomic
from tokengraft.artifacts import RunFolder
from tokengraft.config import RunConfig
from tokengraft.corpus import Document, stream_part
from tokengraft.model.reload import same_ids_here
from tokengraft.progress import watch
from tokengraft.stages.inputs import Texts
from tokengraft.tokenizer import (
    ExtendedTokenizer,
    TokenizerFile,
    ceiling_of_texts,
    check_extension,
    extend_tokenizer,
    family_of,
    fertility,
    require,
    seen_as,
    token_choices,
)

RELOADED = 20
"""Held-out texts encoded by transformers."""


def choose_tokens(config: RunConfig, run: RunFolder, base: TokenizerFile, texts: Texts) -> ExtendedTokenizer:
    """The extended tokenizer: chosen, proved and written at the first start, read from the folder at later ones.

    Raises:
        CorpusError: the corpus has no merge left to give.
        CheckError: a promise did not hold; nothing was written.
    """
    folder = run.path / "tokenizer"
    if run.facts("tokens") is not None:
        return ExtendedTokenizer.load(folder, base)
    with run.stage("tokens", "tokenizer", "candidates.jsonl") as facts:
        extension = _extend(config, base)
        facts.update(_proofs(config, extension, texts))
        atomic.write_jsonl(run.path / "candidates.jsonl", _candidates(extension))
        with atomic.folder(folder) as place:
            extension.save(place)
    return extension


def _extend(config: RunConfig, base: TokenizerFile) -> ExtendedTokenizer:
    documents = stream_part(config.corpus, config.shares, "tokens")
    # The share of general text is asked for in the run's own proofs, which have that text.
    choices = token_choices(replace(config.tokens, guard_share=0.0))
    return extend_tokenizer(base, watch(documents, "count words", "doc"), **choices, seed=config.seed)


def _proofs(config: RunConfig, extension: ExtendedTokenizer, texts: Texts) -> dict[str, Any]:
    """Facts for `metrics.json`: fertility, ceiling and every promise, on held-out and general text."""
    heldout, general = _texts(texts.heldout), _texts(texts.general)
    checks = check_extension(extension, heldout, general, config.seed, config.tokens.guard_share)
    checks.append(same_ids_here(extension, heldout[:RELOADED]))
    require(checks, config.tokens.allow)
    return {
        "added": len(extension.new_tokens),
        "asked": extension.asked,
        "shortfall": extension.shortfall,
        "base_size": extension.base_size,
        "method": extension.method,
        "family": extension.family,
        "fertility": {
            "domain": fertility(extension, heldout).to_dict(),
            "general": fertility(extension, general).to_dict() if general else None,
        },
        "ceiling": {"domain": ceiling_of_texts(seen_as(extension.method, family_of(extension.base)), heldout).share},
        "checks": [{"name": c.name, "passed": c.passed, "measured": c.measured, "detail": c.detail} for c in checks],
    }


def _texts(documents: Iterable[Document]) -> list[str]:
    return [document.text for document in documents]


def _candidates(extension: ExtendedTokenizer) -> Iterator[dict[str, Any]]:
    yield from extension.described()
    yield from (reject.to_dict() for reject in extension.rejects)

"""The promises of an extension, each tried and reported as data.

Two kinds: promises about texts, tried on domain text, general text and fuzz; and promises about the tokenizer itself,
tried on what comes back after it was saved and loaded again. For families whose extensions no theorem covers, the first
kind is measured: the results are figures, and do not fail by themselves.
"""

import tempfile
from collections.abc import Iterable, Sequence
from itertools import chain, islice

from tokengraft.errors import CheckError, ConfigError
from tokengraft.tokenizer.elsewhere import TRANSFORMERS
from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.families import Unsupported, recognise
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.file_promises import FILE_PROMISES
from tokengraft.tokenizer.fuzz import fuzz_texts
from tokengraft.tokenizer.promises import CheckResult
from tokengraft.tokenizer.text_promises import GUARD, IN_CONTEXT, TEXT_PROMISES, check_texts

FUZZ = 2000
"""Texts drawn for the check of an extension."""

SAMPLE = 256
"""Domain texts that the fuzz takes its cuttings from."""

PROMISES = (*TEXT_PROMISES, IN_CONTEXT, GUARD, *FILE_PROMISES)
"""Names of the promises that are tried here."""

NAMES = (*PROMISES, TRANSFORMERS)
"""Names of all promises; the last is tried where transformers is at hand."""

__all__ = ["PROMISES", "CheckResult", "check_allowed", "check_extension", "check_files", "check_texts", "require"]


def check_extension(
    extended: ExtendedTokenizer,
    domain_texts: Iterable[str],
    general_texts: Iterable[str] = (),
    seed: int = 0,
    guard_share: float = 0.0,
) -> list[CheckResult]:
    """Every promise with its outcome. Texts are read as they come; `seed` decides the fuzz.

    `general_texts` are guard text too: `guard_share` of their tokens must stay as they are; 0: that is only measured.

    Raises:
        TokenizerError: the extended tokenizer cannot be saved, or not loaded again.
    """
    domain = iter(domain_texts)
    sample = list(islice(domain, SAMPLE))
    sources = {
        "domain": chain(sample, domain),
        "general": general_texts,
        "fuzz": fuzz_texts(extended, sample, FUZZ, seed),
    }
    family = recognise(extended.base)
    measured = not (isinstance(family, Unsupported) or family.proved)
    return [*check_texts(extended, sources, measured=measured, guard_share=guard_share), *check_files(extended)]


def check_files(extended: ExtendedTokenizer) -> list[CheckResult]:
    """The promises about the tokenizer, tried on what was saved and loaded again."""
    with tempfile.TemporaryDirectory() as folder:
        extended.file.save(folder)
        reloaded = TokenizerFile.load(folder)
        return [promise(extended, reloaded) for promise in FILE_PROMISES.values()]


def check_allowed(allow: Iterable[str]) -> None:
    """Passes where every name is one of a promise.

    Raises:
        ConfigError: one is not.
    """
    for name in allow:
        if name not in NAMES:
            raise ConfigError(
                found=f"allow = {name!r}", expected=f"one of {', '.join(map(repr, NAMES))}", do="name a promise"
            )


def require(results: Sequence[CheckResult], allow: Iterable[str] = ()) -> None:
    """Passes where every promise held, was only measured, or is named in `allow`: what the user accepts.

    Raises:
        CheckError: one did not; the message names each such, with its first counterexample.
        ConfigError: `allow` names no promise.
    """
    accepted = set(allow)
    check_allowed(accepted)
    failed = [result for result in results if result.outcome == "failed" and result.name not in accepted]
    if failed:
        names = ", ".join(repr(result.name) for result in failed)
        raise CheckError(
            found="; ".join(map(_described, failed)),
            expected="an extension that keeps every promise",
            do=f"choose another method, or accept what is broken by allow=[{names}] (--allow); where the method is "
            "continued-bpe, please report it with the tokenizer's name",
        )


def _described(result: CheckResult) -> str:
    example = f", as with {result.evidence[0]}" if result.evidence else ""
    return f"{result.name}: {result.detail}{example}"

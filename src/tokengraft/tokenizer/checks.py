"""The promises of an extension, each tried and reported as data.

Two kinds: promises about texts, tried on domain text, general text and fuzz; and promises about the tokenizer itself,
tried on what comes back after it was saved and loaded again.
"""

import tempfile
from collections.abc import Iterable, Sequence
from itertools import chain, islice

from tokengraft.errors import CheckError
from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.file_promises import FILE_PROMISES
from tokengraft.tokenizer.fuzz import fuzz_texts
from tokengraft.tokenizer.promises import CheckResult
from tokengraft.tokenizer.text_promises import check_texts

FUZZ = 2000
"""Texts drawn for the check of an extension."""

SAMPLE = 256
"""Domain texts that the fuzz takes its cuttings from."""

__all__ = ["CheckResult", "check_extension", "check_files", "check_texts", "require"]


def check_extension(
    extended: ExtendedTokenizer, domain_texts: Iterable[str], general_texts: Iterable[str] = (), seed: int = 0
) -> list[CheckResult]:
    """Every promise with its outcome. Texts are read as they come; `seed` decides the fuzz.

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
    return [*check_texts(extended, sources), *check_files(extended)]


def check_files(extended: ExtendedTokenizer) -> list[CheckResult]:
    """The promises about the tokenizer, tried on what was saved and loaded again."""
    with tempfile.TemporaryDirectory() as folder:
        extended.file.save(folder)
        reloaded = TokenizerFile.load(folder)
        return [promise(extended, reloaded) for promise in FILE_PROMISES]


def require(results: Sequence[CheckResult]) -> None:
    """Passes where every promise held.

    Raises:
        CheckError: one did not; the message names it with its first counterexample.
    """
    for result in results:
        if not result.passed:
            example = f", as with {result.evidence[0]}" if result.evidence else ""
            raise CheckError(
                found=f"{result.name}: {result.detail}{example}",
                expected="an extension that keeps every promise",
                do="keep the base tokenizer, and report this with the tokenizer's name",
            )

"""One call for every way of aligning."""

from collections.abc import Sequence
from typing import Any

from tokengraft.alignment.aligners import Alignment, Sides, aligners
from tokengraft.errors import TokenizerError
from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.file import TokenizerFile


def align(text_or_ids: str | Sequence[int], base: Any, extended: Any, *, method: str | None = None) -> Alignment:
    """The shared boundaries of a text under two tokenizers, exact.

    `extended` is an `ExtendedTokenizer` of `base`, for which the ids of the extended encoding do as well as the text;
    or any other tokenizer (path, hub id, loaded object). `method`: `pieces` (an extension's decomposition table; the
    default for one), `bytes` (what the tokens cover; the default otherwise), or `look-ahead` (a heuristic, for
    comparison; not exact).

    Raises:
        TokenizerError: `extended` extends another base, ids come without an extension, or a tokenizer does not keep the
            text.
        ConfigError: there is no such method.
    """
    first = TokenizerFile.load(base)
    if isinstance(extended, ExtendedTokenizer):
        _require_base(first, extended)
        sides = Sides(text_or_ids, first, extended.file, extended)
        return aligners.get(method or "pieces")(sides)
    return aligners.get(method or "bytes")(Sides(text_or_ids, first, TokenizerFile.load(extended)))


def _require_base(base: TokenizerFile, extended: ExtendedTokenizer) -> None:
    if base is not extended.base and base.fingerprint != extended.base.fingerprint:
        raise TokenizerError(
            found=f"an extension of {extended.base.name}, aligned with {base.name}",
            expected="the tokenizer that was extended",
            do="pass extended.base, or pass extended.file to compare by bytes",
        )

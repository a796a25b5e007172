"""Ways to find shared boundaries: one a file, one signature."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int

from tokengraft.errors import TokenizerError
from tokengraft.registry import Registry
from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.file import TokenizerFile


@dataclass(frozen=True, slots=True)
class Alignment:
    """Two tokenizations of one text, and the pairs of positions at which both end at the same byte, in order."""

    base_ids: Int[np.ndarray, " base"]
    extended_ids: Int[np.ndarray, " extended"]
    base_positions: Int[np.ndarray, " shared"]
    extended_positions: Int[np.ndarray, " shared"]

    def swapped(self) -> "Alignment":
        """The same, seen from the other side."""
        return Alignment(self.extended_ids, self.base_ids, self.extended_positions, self.base_positions)


@dataclass(frozen=True)
class Sides:
    """What is to be aligned: a text (or its ids under the extension) and the two tokenizers."""

    text_or_ids: str | Sequence[int]
    base: TokenizerFile
    other: TokenizerFile
    extension: ExtendedTokenizer | None = None
    """The extension of `base` that `other` is, where it is known to be one."""

    @property
    def text(self) -> str:
        """The text.

        Raises:
            TokenizerError: only ids were given.
        """
        if isinstance(self.text_or_ids, str):
            return self.text_or_ids
        raise TokenizerError(
            found="ids, and a way of aligning that reads both tokenizations of a text",
            expected="the text, or ids of an ExtendedTokenizer aligned by its pieces",
            do="pass the text",
        )

    @cached_property
    def base_ids(self) -> Int[np.ndarray, " base"]:
        """The base's encoding of the text."""
        return np.asarray(self.base.encode([self.text])[0], np.int64)

    @cached_property
    def other_ids(self) -> Int[np.ndarray, " other"]:
        """The other tokenizer's encoding."""
        given = self.text_or_ids
        return np.asarray(self.other.encode([given])[0] if isinstance(given, str) else given, np.int64)


Aligner = Callable[[Sides], Alignment]

aligners: Registry[Aligner] = Registry("way of aligning", "tokengraft.alignment")

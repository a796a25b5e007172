"""What a text costs under a tokenizer: tokens a word, bytes a token, and what the split pattern allows at best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.inspection.marks import MarkCuts, mark_cuts


@dataclass(frozen=True, slots=True)
class Usage:
    """A corpus under one tokenizer, and under a second one where there is one."""

    corpus: str
    documents: int
    bytes: int
    words: int
    """Between white space."""
    tokens: int
    whole_words: int
    """Words that are one token, with a space before them."""
    tokens_other: int | None = None
    whole_words_other: int | None = None
    longer: int | None = None
    """Documents that take more tokens under the second."""
    least: int | None = None
    """The fewest tokens that the split pattern allows; None for a tokenizer that cannot be extended."""
    cuts: MarkCuts | None = None

    @property
    def fertility(self) -> float:
        """Tokens a word."""
        return self.tokens / self.words if self.words else 0.0

    @property
    def bytes_per_token(self) -> float:
        """Bytes of UTF-8 a token."""
        return self.bytes / self.tokens if self.tokens else 0.0

    @property
    def saved(self) -> float | None:
        """Share of the tokens that the second tokenizer saves."""
        return None if self.tokens_other is None or not self.tokens else 1 - self.tokens_other / self.tokens

    @property
    def ceiling(self) -> float | None:
        """Share of the tokens that any new tokens can save at most."""
        return None if self.least is None or not self.tokens else 1 - self.least / self.tokens

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "cuts"}
        derived = {name: getattr(self, name) for name in ("fertility", "bytes_per_token", "saved", "ceiling")}
        return {**plain, **derived, "cuts": None if self.cuts is None else self.cuts.to_dict()}


def usage(
    name: str,
    texts: Sequence[str],
    file: TokenizerFile,
    other: TokenizerFile | None = None,
    family: Family | None = None,
) -> Usage:
    """The figures of `texts`; `family` is that of `file`, where it has one."""
    before = list(map(len, file.encode(texts)))
    after = None if other is None else list(map(len, other.encode(texts)))
    words = [word for text in texts for word in text.split()]
    cuts = None if family is None else mark_cuts(family.splitter(), texts)
    return Usage(
        corpus=name,
        documents=len(texts),
        bytes=sum(len(text.encode("utf-8")) for text in texts),
        words=len(words),
        tokens=sum(before),
        whole_words=_whole(file, words),
        tokens_other=None if after is None else sum(after),
        whole_words_other=None if other is None else _whole(other, words),
        longer=None if after is None else sum(new > old for old, new in zip(before, after, strict=True)),
        least=None if cuts is None else cuts.pretokens,
        cuts=cuts,
    )


def _whole(file: TokenizerFile, words: Sequence[str]) -> int:
    """Words that are one token behind a space."""
    return sum(length == 1 for length in map(len, file.encode([f" {word}" for word in words])))

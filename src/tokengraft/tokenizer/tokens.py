"""New tokens, and the candidates that did not become one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

INCOMPLETE = "incomplete UTF-8"
WHITESPACE = "whitespace run"
INTERMEDIATE = "intermediate"
ADDED = "added token"
SUPERWORD = "superword"
WHOLE = "whole pre-token"
CHARACTER = "character"


def shown(data: bytes) -> str:
    r"""Text for a page or a terminal; bytes that are no UTF-8 are written as escapes.

    >>> shown(b" caf\xc3")
    ' caf\\xc3'
    """
    return data.decode("utf-8", errors="backslashreplace")


def _pair(merge: Sequence[int] | None) -> tuple[int, int] | None:
    return None if merge is None else (merge[0], merge[1])


@dataclass(frozen=True, slots=True)
class NewToken:
    """One token that an extension adds, with what it is made of and what it saves."""

    id: int
    token: str
    """Entry in the vocabulary, in the tokenizer's own spelling."""
    bytes: bytes
    pieces: tuple[int, ...]
    """The base ids that the base encodes it as."""
    merge: tuple[int, int] | None
    """The two ids that its rule joins, old or new; None where no rule of two makes it."""
    count: int
    """How often the pair stood side by side when it was chosen."""
    saved: int
    """Tokens saved where it is used for itself, by re-encoding the text it was chosen from, weighted by the same counts
    (capped per document). Over all new tokens these add up to the whole saving."""
    score: float
    """What the method ranked it by."""
    notes: tuple[str, ...] = ()
    """`incomplete UTF-8`, `whitespace run`, `intermediate` (needed for longer tokens, hardly ever used for itself, so
    that its row matters little), `added token` (found in the text before any merge), `superword` (over several
    pre-tokens, found by the split pattern), `whole pre-token` (found where it is one, and nowhere else), `character`
    (which the base spells as bytes)."""
    piece_texts: tuple[str, ...] = ()
    """The pieces as text, for display."""

    @property
    def text(self) -> str:
        """The token as text, for display."""
        return shown(self.bytes)

    @property
    def intermediate(self) -> bool:
        """Whether it is needed for longer tokens and hardly ever used for itself."""
        return INTERMEDIATE in self.notes

    @property
    def uses(self) -> int:
        """How often it is used for itself in the text that it was chosen from, encoded anew: what its row is for."""
        return self.saved // max(1, len(self.pieces) - 1)

    @property
    def outside_merges(self) -> bool:
        """Whether the whole tokenizer is needed to find it in a text, and not its model alone."""
        return not {ADDED, SUPERWORD, WHOLE}.isdisjoint(self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; bytes in hexadecimal."""
        return {
            "id": self.id,
            "token": self.token,
            "text": self.text,
            "bytes": self.bytes.hex(),
            "pieces": list(self.pieces),
            "piece_texts": list(self.piece_texts),
            "merge": None if self.merge is None else list(self.merge),
            "count": self.count,
            "saved": self.saved,
            "score": self.score,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "NewToken":
        """The token that `to_dict` wrote."""
        return cls(
            id=values["id"],
            token=values["token"],
            bytes=bytes.fromhex(values["bytes"]),
            pieces=tuple(values["pieces"]),
            merge=_pair(values["merge"]),
            count=values["count"],
            saved=values["saved"],
            score=values["score"],
            notes=tuple(values["notes"]),
            piece_texts=tuple(values["piece_texts"]),
        )


def steps(tokens: Sequence[NewToken]) -> dict[int, NewToken]:
    """For each intermediate token that a rule joins to something, by id, the most used token that it is a step to."""
    intermediate = {token.id for token in tokens if token.intermediate}
    found: dict[int, NewToken] = {}
    for token in sorted(tokens, key=lambda token: token.uses):
        found |= dict.fromkeys(intermediate.intersection(token.merge or ()), token)
    return found


@dataclass(frozen=True, slots=True)
class Reject:
    """A candidate that was not taken, and why."""

    token: str
    bytes: bytes
    merge: tuple[int, int] | None
    """The two ids that its rule would join; None where it was not a pair."""
    count: int
    reason: str

    @property
    def text(self) -> str:
        """The candidate as text, for display."""
        return shown(self.bytes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; bytes in hexadecimal."""
        return {
            "token": self.token,
            "text": self.text,
            "bytes": self.bytes.hex(),
            "merge": None if self.merge is None else list(self.merge),
            "count": self.count,
            "rejected": self.reason,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Reject":
        """The reject that `to_dict` wrote."""
        return cls(
            token=values["token"],
            bytes=bytes.fromhex(values["bytes"]),
            merge=_pair(values["merge"]),
            count=values["count"],
            reason=values["rejected"],
        )

"""Kinds of tokenizers, each extended in its own sound way or refused with the reason; one kind a file.

A file registers a detector: from a tokenizer to its `Family`, to `Unsupported`, or to None where it is of another kind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tokengraft.errors import TokenizerError
from tokengraft.registry import Registry
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.merging import Merge, Words


@runtime_checkable
class Family(Protocol):
    """A tokenizer together with how its kind is read and extended."""

    @property
    def name(self) -> str:
        """What the kind is called."""
        ...

    @property
    def file(self) -> TokenizerFile:
        """The tokenizer."""
        ...

    @property
    def proved(self) -> bool:
        """Whether its extensions keep the promises about texts by a theorem; elsewhere these are only measured."""
        ...

    @property
    def chained(self) -> bool:
        """Whether an entry is reached by a chain of merges; elsewhere it is taken whole, and needs no steps to it."""
        ...

    @property
    def whole(self) -> bool:
        """Whether a pre-token that is an entry is taken whole, although others are reached by chains of merges."""
        ...

    @property
    def byte_tokens(self) -> Sequence[int]:
        """Ids of the 256 bytes, where a character that has no entry is spelled with them and may get one; or none."""
        ...

    def join(self, left: str, right: str) -> str:
        """The entry that two neighbours make."""
        ...

    def entries(self, text: str) -> list[str]:
        """The entries, one a pre-token, that would spell `text` where it stands inside a longer one."""
        ...

    def sample(self, pretokens: Sequence[str]) -> str:
        """A text that holds these pre-tokens side by side."""
        ...

    def splitter(self) -> Callable[[str], list[str]]:
        """Text to pre-tokens, picklable: what is counted, and what no merge crosses."""
        ...

    def words(self, counts: Mapping[str, int]) -> Words:
        """Pre-tokens with their counts, encoded by the model alone, and cut where no merge may join."""
        ...

    def encode_entries(self, entries: Sequence[str]) -> list[list[int]]:
        """Ids of entries in their own spelling, where they may stand, by the model alone (`ignore_merges` off)."""
        ...

    def extended(self, merges: Sequence[Merge]) -> TokenizerFile:
        """The tokenizer with the tokens of these merges, everything old where it was."""
        ...


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A kind, or a member of it, that cannot be extended, and why."""

    name: str
    reason: str


Detector = Callable[[TokenizerFile], Family | Unsupported | None]

families: Registry[Detector] = Registry("tokenizer family", "tokengraft.tokenizer.families")


def recognise(file: TokenizerFile) -> Family | Unsupported:
    """The family of a tokenizer, also of one that cannot be extended."""
    for entry in families:
        family = entry.function(file)
        if family is not None:
            return family
    return Unsupported(
        str(file.document["model"].get("type")), "no method to extend this kind of model soundly is known here"
    )


def family_of(file: TokenizerFile) -> Family:
    """The family of a tokenizer that can be extended.

    Raises:
        TokenizerError: it cannot be extended soundly; the message names its family and the reason.
    """
    family = recognise(file)
    if isinstance(family, Unsupported):
        raise TokenizerError(
            found=f"{file.name}, a {family.name} tokenizer: {family.reason}",
            expected="byte-level BPE (GPT-2, Llama-3), SentencePiece BPE with byte fallback, Unigram or WordPiece",
            do="choose a model with such a tokenizer",
        )
    return family

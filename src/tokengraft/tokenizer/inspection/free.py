"""Places that new tokens can have for free: ids and rows that are there and stand for nothing in use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.inspection.model_files import ModelFacts
from tokengraft.tokenizer.leaves import leaves

RESERVED = re.compile(
    r"<?\|?(reserved|unused|extra|dummy|placeholder|special|fim_pad)[\w ]*\d+\|?>?|\[unused\d+\]|<extra_id_\d+>"
    r"|<SPECIAL_\d+>|<unused\d+>|<\|unused \d+\|>",
    re.IGNORECASE,
)
"""What makers call tokens that they keep for later."""


@dataclass(frozen=True, slots=True)
class FreePlaces:
    """Ids that could be put to use without a larger model."""

    reserved: tuple[int, ...]
    """Tokens that their makers kept for later, by their names."""
    gaps: tuple[int, ...]
    """Ids below the size that no token has."""
    padded: int | None
    """Rows of the model's table past the last id; None where no model stands beside the tokenizer."""
    dead: int | None
    """Vocabulary entries that the text never uses; None where no text was given."""
    prunable: int | None
    """Of these, those that `tokengraft prune` could give up: leaves of a BPE; None where it is none."""
    examined: int
    """Vocabulary entries in all."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "reserved": list(self.reserved),
            "gaps": list(self.gaps),
            "padded_rows": self.padded,
            "dead": self.dead,
            "prunable": self.prunable,
            "entries": self.examined,
        }


def free_places(
    file: TokenizerFile, facts: ModelFacts | None, family: Family | None = None, counts: Mapping[str, int] | None = None
) -> FreePlaces:
    """The free places of a tokenizer; with a family and counted text also its dead tokens."""
    reserved = [number for entry, number in file.ids.items() if RESERVED.fullmatch(entry)]
    gaps = [number for number, entry in enumerate(file.tokens) if entry is None]
    dead = prunable = None
    if family is not None and counts:
        used = family.words(counts).occurrences(file.size)
        held = {token["id"] for token in file.added_tokens}
        dead = sum(not used[number] and number not in held for number in file.vocabulary.values())
        if "merges" in file.document["model"]:
            prunable = sum(1 for _ in leaves(file, set(np.flatnonzero(used).tolist()), {}))
    padded = None if facts is None else max(0, facts.rows - file.size)
    return FreePlaces(tuple(sorted(reserved)), tuple(gaps), padded, dead, prunable, len(file.vocabulary))

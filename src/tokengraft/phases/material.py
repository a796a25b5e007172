"""What a later phase learns from: text in windows, or conversations, and how much of it was cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tokengraft.config_phases import PhaseConfig
from tokengraft.corpus.instructions import read_dialogues
from tokengraft.model.load import context_length
from tokengraft.phases.answers import Counted, answer_windows
from tokengraft.training.windows import Window, collect_windows

LONGEST = 1024
"""Tokens of a window where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Material:
    """Windows to learn from, and what became of the documents that they are from."""

    windows: list[Window]
    counted: Counted

    def in_words(self, settings: PhaseConfig) -> str:
        """What there is, in a line."""
        how = "cut off" if settings.instructions or settings.cut == "truncate" else "read in several windows"
        dropped = f", {self.counted.dropped} without an answer left" if self.counted.dropped else ""
        return (
            f"{self.counted.documents} documents in {len(self.windows)} windows, "
            f"{self.counted.longer} longer than one ({how}{dropped})"
        )


def material(model: Any, extension: Any, texts: Sequence[str], settings: PhaseConfig) -> Material:
    """Windows of the texts, or of the conversations where the phase has some.

    Raises:
        CorpusError: a conversation cannot be used.
        TokenizerError: there is no chat template and no format.
    """
    length = min(context_length(model), LONGEST if settings.max_length is None else settings.max_length)
    counted = Counted()
    if settings.instructions is not None:
        dialogues = read_dialogues(settings.instructions)
        return Material(answer_windows(extension, dialogues, settings.instructions, length, counted), counted)
    prefix, sizes = extension.base.prefix_ids(), extension.decomposition.lengths
    windows: list[Window] = []
    for ids in extension.encode(list(texts)):
        found = collect_windows([ids], extension.decomposition, prefix, length, extension.base_size)
        counted.documents += 1
        counted.longer += int(sizes[ids].sum()) + len(prefix) > length
        windows += found[:1] if settings.cut == "truncate" else found
    return Material(windows, counted)

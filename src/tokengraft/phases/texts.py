"""The text that the rows are taught on: windows of documents, or stretches of them, and text for the head alone."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tokengraft.config import DistillConfig
from tokengraft.errors import CorpusError
from tokengraft.losses.mixture import HeadMixture
from tokengraft.model.load import context_length
from tokengraft.model.tables import find_tables
from tokengraft.phases.generated import generated_windows
from tokengraft.progress import say
from tokengraft.training.around import Reach, around, head_only
from tokengraft.training.snippets import snippets
from tokengraft.training.windows import Window, collect_windows

RARE = 0.08
"""Share of new tokens below which short windows are read: ahead at 4 %, behind at 16 and 24 (docs/decisions/0035)."""

GENERATED_LENGTH = 50
"""Base tokens of a text that the model writes itself, as in Token Distillation."""


def pieces_of(extension: Any, windows: Sequence[Window]) -> list[tuple[int, ...]]:
    """Pieces of every new token: as the extension has them, or as the windows show them where only those are there."""
    tokens = getattr(extension, "new_tokens", None)
    if tokens is not None:
        return [tuple(token.pieces) for token in tokens]
    found: dict[int, tuple[int, ...]] = {}
    for window in windows:
        starts = np.concatenate([[0], window.ends[:-1] + 1])
        for place in np.flatnonzero(window.student >= extension.base_size):
            pieces = window.teacher[starts[place] : window.ends[place] + 1]
            found[int(window.student[place])] = tuple(pieces.tolist())
    # Where pieces are not known, only what they take in memory is asked for.
    return [found.get(number, (0, 0)) for number in range(extension.base_size, extension.size)]


def window_length(model: Any, settings: DistillConfig) -> int:
    """Longest training window in base tokens."""
    return min(context_length(model), 1024 if settings.max_length is None else settings.max_length)


def training_windows(model: Any, extension: Any, texts: Iterable[str], settings: DistillConfig) -> list[Window]:
    """Windows of the texts, each begun as the tokenizer begins a text."""
    encoded = extension.encode(list(texts))
    return collect_windows(
        encoded,
        extension.decomposition,
        extension.base.prefix_ids(),
        window_length(model, settings),
        extension.base_size,
    )


def reads_around(settings: DistillConfig, windows: Sequence[Window], base_size: int) -> bool:
    """Whether short windows around new tokens are read in place of whole ones: as asked, or where these are rare."""
    if settings.windows != "auto":
        return settings.windows == "around"
    if settings.generated or settings.snippet is not None or HeadMixture.of(settings.head_objective).soft_share:
        return False
    new = sum(int((window.student >= base_size).sum()) for window in windows)
    return 0 < new < RARE * sum(len(window.student) for window in windows)


def taught_windows(
    model: Any, extension: Any, windows: Sequence[Window], settings: DistillConfig, seed: int
) -> Sequence[Window]:
    """What the rows are taught on: the windows, stretches of them, or text that the model writes itself.

    Raises:
        CorpusError: no stretch has a new token in it.
    """
    if settings.generated:
        length = settings.snippet or GENERATED_LENGTH
        return generated_windows(model, extension, per_token=settings.generated, length=length, seed=seed)
    pieces, prefix, size = extension.decomposition, extension.base.prefix_ids(), extension.base_size
    if reads_around(settings, windows, size):
        most, least = settings.snippets_per_token, settings.window_minimum
        spared = frozenset(getattr(extension, "steps", ()))
        reach = Reach(settings.window_before, settings.window_after, most, least, spared)
        found = around(windows, pieces, prefix, reach, size)
    elif settings.snippet is not None:
        found = snippets(windows, pieces, prefix, settings.snippet, settings.snippets_per_token, size)
    else:
        return windows
    if not found:
        raise CorpusError(
            found=f"{len(windows)} windows without a new token",
            expected="text in which new tokens occur",
            do="give other text, or leave distill.snippet and distill.windows out",
        )
    return found


def training_text(
    model: Any, extension: Any, windows: Sequence[Window], replay: Sequence[Window], settings: DistillConfig, seed: int
) -> tuple[Sequence[Window], Sequence[Window], DistillConfig]:
    """(what the rows are taught on, what is read beside it for the head, the settings as they hold then).

    Nothing is read along where the head rests in all steps.

    Raises:
        CorpusError: no stretch has a new token in it.
    """
    taught = taught_windows(model, extension, windows, settings, seed)
    if HeadMixture.of(settings.head_objective).rests:
        if find_tables(model).tied:
            say("tied tables have no closing fit: while the head rests, new tokens are never learned as predictions")
        return taught, (), dataclasses.replace(settings, replay_share=0.0)
    if reads_around(settings, windows, extension.base_size):
        return taught, [*map(head_only, windows), *replay], settings
    return taught, replay, settings

"""Stretches of text divided by a pipeline that leaves entries in plain spelling, such as `Metaspace`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers.pre_tokenizers import PreTokenizer

from tokengraft.tokenizer.chunks import WORDS, Chunked, Divider
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.spelling import components

_BY_WORDS = {"WhitespaceSplit", "BertPreTokenizer"}


@dataclass(frozen=True, slots=True)
class StretchDivider:
    """What the pipeline makes of a stretch, cut further by a pattern whose matches cover everything."""

    pipeline: PreTokenizer | None
    pattern: "re.Pattern[str] | None" = None

    def __call__(self, text: str) -> list[str]:
        """The pre-tokens of a stretch without added tokens."""
        if not text:
            return []
        pieces = [text] if self.pipeline is None else [piece for piece, _ in self.pipeline.pre_tokenize_str(text)]
        if self.pattern is None:
            return pieces
        return [word for piece in pieces for word in self.pattern.findall(piece)]


def stretches(document: Mapping[str, Any]) -> tuple[Divider, Divider]:
    """(divider of a stretch that begins the text, divider of later ones), of a pipeline without further pattern.

    A pipeline that first drops white space treats each word alike, so distinct words are divided once.
    """
    first, later = (StretchDivider(pipeline) for pipeline in stretch_dividers(document))
    steps = list(components(document.get("pre_tokenizer")))
    if not steps or steps[0]["type"] not in _BY_WORDS:
        return first, later
    by_place = any(step.get("prepend_scheme") == "first" for step in steps)
    return first if by_place else Chunked(WORDS.findall, first), Chunked(WORDS.findall, later)


def stretch_dividers(document: Mapping[str, Any]) -> tuple[PreTokenizer | None, PreTokenizer | None]:
    """(pipeline of a stretch that begins the text, pipeline of later ones).

    `Metaspace` with the scheme `first` puts its space before the former alone.

    >>> first, later = stretch_dividers({"pre_tokenizer": {
    ...     "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}})
    >>> [pipeline.pre_tokenize_str("a b")[0][0] for pipeline in (first, later)]
    ['▁a▁b', 'a▁b']
    """
    pipeline = document.get("pre_tokenizer")
    return _built(pipeline), _built(_never_first(pipeline))


def _built(pipeline: Any) -> PreTokenizer | None:
    document = {"version": "1.0", "added_tokens": [], "pre_tokenizer": pipeline}
    return TokenizerFile({**document, "model": {"type": "BPE", "vocab": {}, "merges": []}}).tokenizer.pre_tokenizer


def _never_first(part: Any) -> Any:
    if isinstance(part, Mapping):
        changed = {name: _never_first(value) for name, value in part.items()}
        return changed | {"prepend_scheme": "never"} if part.get("prepend_scheme") == "first" else changed
    return [_never_first(step) for step in part] if isinstance(part, list) else part

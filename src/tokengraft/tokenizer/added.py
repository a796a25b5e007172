"""Texts as added tokens: found before any merge, wherever they stand, inside words too."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tokengraft.tokenizer.candidates import Added
from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.measure import notes_of
from tokengraft.tokenizer.spelling import SPACE
from tokengraft.tokenizer.tokens import ADDED, NewToken, shown

_FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}


def with_added(file: TokenizerFile, added: Sequence[Added]) -> TokenizerFile:
    """The tokenizer with further added tokens, whose ids follow the last. A `.model` cannot say this, and goes."""
    if not added:
        return file
    tokens: list[dict[str, Any]] = [
        {"id": file.size + place, "content": entry.text, **_FLAGS} for place, entry in enumerate(added)
    ]
    return file.replaced({**file.document, "added_tokens": [*file.added_tokens, *tokens]}, file.config)


def without_added(
    family: Family, counts: Mapping[str, int], added: Sequence[Added]
) -> tuple[dict[str, int], list[int]]:
    """(what is left of the pre-tokens between the added tokens, how often each of these occurs).

    The library takes the first added token that it finds, and of several that begin there the longest.
    """
    if not added:
        return dict(counts), []
    # Pre-tokens of SentencePiece spell a space in their own way.
    spaced = family.sample([SPACE]) == " "
    spelled = [entry.text.replace(" ", SPACE) if spaced else entry.text for entry in added]
    longest = sorted(set(spelled), key=len, reverse=True)
    pattern = re.compile(f"({'|'.join(map(re.escape, longest))})")
    left: dict[str, int] = {}
    uses = dict.fromkeys(longest, 0)
    for pretoken, count in counts.items():
        for place, part in enumerate(pattern.split(pretoken)):
            if place % 2:
                uses[part] += count
            elif part:
                left[part] = left.get(part, 0) + count
    return left, [uses[text] for text in spelled]


def describe_added(base: TokenizerFile, first: int, added: Sequence[Added], uses: Sequence[int]) -> list[NewToken]:
    """The added tokens; `uses` is how often each occurs in the text that they were chosen from."""
    if not added:
        return []
    pieces = base.encode([entry.text for entry in added])
    return [
        NewToken(
            id=first + place,
            token=entry.text,
            bytes=entry.text.encode("utf-8"),
            pieces=tuple(ids),
            merge=None,
            count=entry.count,
            saved=times * (len(ids) - 1),
            score=float(entry.count),
            notes=(ADDED, *notes_of(entry.text.encode("utf-8"), times, entry.count)),
            piece_texts=tuple(shown(base.token_bytes(piece)) for piece in ids),
        )
        for place, (entry, ids, times) in enumerate(zip(added, pieces, uses, strict=True))
    ]

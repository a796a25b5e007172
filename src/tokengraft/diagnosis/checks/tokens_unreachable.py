"""Tokens that no text can become."""

import re
from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import KEPT, Finding, error, info, listed, warning
from tokengraft.tokenizer.families import Unsupported, recognise

SHARE = 0.02
"""Of the vocabulary: real tokenizers have up to about one in a hundred."""

SAMPLE, LAST = 20_000, 4_000
"""Entries tried where it is not known which are new, and how many of them at the end, where added ones are."""
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""Entries for bytes, which the model makes where a character is not in its vocabulary."""


@check("tokens-unreachable", needs=("tokenizer",), symptom="new tokens never occur in encoded text")
def tokens_unreachable(case: Case) -> Iterator[Finding]:
    """Tokens of the vocabulary that the encoder cannot make, for instance because no merge makes them."""
    lost, tried = unreachable(case)
    if not lost:
        return
    assert case.vocabulary
    new = set(case.new_ids())
    fresh = [number for number in lost if number in new]
    share = len(lost) / tried
    say = error if fresh else warning if share > SHARE else info
    shown = fresh or lost
    yield say(
        f"{len(shown)} {'new ' if fresh else ''}tokens cannot occur in any text ({share:.2%} of {tried} tried): "
        f"{listed(case.vocabulary.named(shown))}",
        "Their own spelling is encoded as other tokens, so their rows are never read and never trained. Entries "
        "without merges, and merges of another tokenizer, do that.",
        "add tokens as continued BPE does: tokengraft extend",
        ids=shown[:KEPT],
        count=len(shown),
        new=len(fresh),
    )


def unreachable(case: Case) -> tuple[list[int], int]:
    """Ids whose own entry, given to the model alone, is encoded as something else, and how many were tried: the new
    ones, or else the last of the vocabulary and an even sample of the others.
    """
    assert case.vocabulary
    file = case.vocabulary.file
    family = recognise(file)
    if isinstance(family, Unsupported):
        return [], 0
    added = set(case.vocabulary.added)
    entries = [
        (entry, number) for entry, number in file.vocabulary.items() if entry not in added and not BYTE.fullmatch(entry)
    ]
    new = set(case.new_ids())
    if new:
        entries = [(entry, number) for entry, number in entries if number in new]
    elif len(entries) > SAMPLE:
        entries.sort(key=lambda pair: pair[1])
        early, late = entries[:-LAST], entries[-LAST:]
        entries = early[:: -(-len(early) // (SAMPLE - LAST))] + late
    encoded = family.encode_entries([entry for entry, _ in entries])
    lost = sorted(number for (_, number), ids in zip(entries, encoded, strict=True) if ids != [number])
    return lost, len(entries)

"""Which base tokens cover each occurrence of a new token in a corpus that both tokenizers encode."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from tokengraft.init import Pieced
from tokengraft.init.ingredients import Ingredients

BATCH = 64
"""Documents that are encoded at a time."""


def coverings(ingredients: Ingredients, wanted: Collection[int]) -> dict[int, Counter[tuple[int, ...]]]:
    """By new id: how often each sequence of base ids covers it in the corpus, counted by bytes.

    A base token that reaches beyond an edge of the new one counts as covering it, as in the paper's code.
    """
    assert ingredients.corpus is not None
    found: dict[int, Counter[tuple[int, ...]]] = {number: Counter() for number in wanted}
    texts = list(ingredients.corpus())
    for start in range(0, len(texts), BATCH):
        _count(ingredients, texts[start : start + BATCH], found)
    return found


def _count(ingredients: Ingredients, texts: list[str], found: dict[int, Counter[tuple[int, ...]]]) -> None:
    assert ingredients.encode is not None
    assert ingredients.encode_base is not None
    assert ingredients.widths is not None
    for new, old in zip(ingredients.encode(texts), ingredients.encode_base(texts), strict=True):
        old_ends, new_ends = (np.cumsum([ingredients.widths(number) for number in ids]) for ids in (old, new))
        if not len(new_ends) or old_ends[-1] != new_ends[-1]:
            continue  # a tokenizer that changes the text: nothing is known of which bytes are whose
        starts = np.concatenate([[0], new_ends[:-1]])
        for place, number in enumerate(new):
            if number in found:
                first = int(np.searchsorted(old_ends, starts[place], side="right"))
                last = int(np.searchsorted(old_ends, new_ends[place], side="left"))
                found[number][tuple(old[first : last + 1])] += 1


def shares_of_first(ingredients: Ingredients, tokens: Sequence[Pieced]) -> list[float]:
    """For each token: of the places in the corpus where its first piece could begin a token, the share where it does.

    Counted with half an occurrence more on both sides, so that no share is 0 or 1.
    """
    assert ingredients.corpus is not None
    assert ingredients.encode is not None
    counts: Counter[int] = Counter()
    for ids in ingredients.encode(list(ingredients.corpus())):
        counts.update(ids)
    begun = Counter(counts)
    for token in tokens:
        begun[token.pieces[0]] += counts[token.id]
    return [(counts[token.id] + 0.5) / (begun[token.pieces[0]] + 1.0) for token in tokens]

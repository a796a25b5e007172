"""Whether the model can tell a new token from its pieces: what it predicts, and its state, after either."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from tokengraft.evaluation.reader import Reader
from tokengraft.training.windows import Window


@dataclass(frozen=True, slots=True)
class Substitution:
    """Agreement of a model with itself after `prefix + new token` and after `prefix + pieces`."""

    token: int
    occurrences: int
    kl: float
    """KL in nats of the next token over the base vocabulary: pieces ‖ new."""
    cosine: float
    """Of the states that the head reads."""
    argmax: float
    """Share of the occurrences where both would say the same."""


@torch.inference_mode()
def substitution(
    model: Any, windows: Sequence[Window], base_size: int, size: int, *, most: int = 2000
) -> dict[int, Substitution]:
    """By new token: agreement over its occurrences in the windows, of which `most` are looked at in all.

    One occurrence at a time is replaced: the prefix is in the base's own tokenization on both sides, so the figure is
    the token's and not that of new tokens before it.

    Raises:
        ModelError: the model makes logits of hidden states in a way that is not known.
    """
    reader = Reader.of(model, size)
    sums: dict[int, list[float]] = {}
    seen = 0
    for window in windows:
        if seen >= most:
            break
        places = [place for place, number in enumerate(window.student.tolist()) if number >= base_size]
        if not places:
            continue
        whole = reader.hidden(torch.from_numpy(window.teacher)[None])[0]
        for place in places[: most - seen]:
            number, start = int(window.student[place]), int(window.ends[place - 1]) + 1 if place else 0
            ids = torch.tensor([*window.teacher[:start].tolist(), number])
            ours, theirs = reader.hidden(ids[None])[0, -1:], whole[window.ends[place]][None]
            logits = reader.logits(torch.cat([theirs, ours]))[:, :base_size].log_softmax(1)
            found = sums.setdefault(number, [0.0, 0.0, 0.0, 0.0])
            found[0] += 1
            found[1] += float((logits[0].exp() * (logits[0] - logits[1])).sum())
            found[2] += float(F.cosine_similarity(ours.float(), theirs.float(), dim=1)[0])
            found[3] += float(logits[0].argmax() == logits[1].argmax())
            seen += 1
    return {
        number: Substitution(number, int(count), kl / count, cosine / count, same / count)
        for number, (count, kl, cosine, same) in sums.items()
    }

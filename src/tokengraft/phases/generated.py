"""Training text that the model writes itself, where there is no corpus: continuations of each new token's pieces."""

from typing import Any

import torch

from tokengraft.progress import bar
from tokengraft.training.windows import Window, collect_windows

BATCH = 16
"""Continuations that are written at a time."""


@torch.no_grad()
def generated_windows(
    model: Any, extension: Any, *, per_token: int = 4, length: int = 50, seed: int = 0
) -> list[Window]:
    """Windows of text that the frozen base samples behind each new token's pieces (Dobler et al. 2025).

    Each of about `length` base tokens, begun as the tokenizer begins a text. The text is encoded again by the extended
    tokenizer, so that every new token in it is trained. Drawn with the seed alone, whatever the state of torch.

    `model` may be grown: its new rows are never read nor predicted.
    """
    prefix = list(extension.base.prefix_ids())
    draw = torch.Generator(device=model.device).manual_seed(seed)
    wanted = [token for token in extension.new_tokens for _ in range(per_token)]
    texts: list[str] = []
    with bar(len(wanted), "the model writes", "text") as progress:
        for start in range(0, len(wanted), BATCH):
            rows = [[*prefix, *token.pieces] for token in wanted[start : start + BATCH]]
            for row in _continued(model, rows, len(prefix) + length, extension.base_size, draw):
                texts.append(extension.base.decode(row[len(prefix) :]))
            progress.update(len(rows))
    encoded = extension.encode(texts)
    return collect_windows(encoded, extension.decomposition, prefix, length * 2, extension.base_size)


def _continued(
    model: Any, rows: list[list[int]], length: int, base_size: int, draw: torch.Generator
) -> list[list[int]]:
    """The rows with sampled ids behind them, up to `length`; rows of unlike length are padded on the right.

    A row's logits are taken at its own last id, and what stands behind it is never looked at: attention is causal.
    """
    rows = [list(row) for row in rows]
    while min(map(len, rows)) < length:
        width = max(map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
        logits = model(ids, use_cache=False).logits
        ends = torch.tensor([len(row) - 1 for row in rows], device=model.device)
        last = logits[torch.arange(len(rows), device=model.device), ends, :base_size].float()
        chosen = torch.multinomial(last.softmax(1), 1, generator=draw)[:, 0].tolist()
        for row, number in zip(rows, chosen, strict=True):
            if len(row) < length:
                row.append(number)
    return rows

"""Where the new rows lie: their cosine to the rows of their pieces, their norms, and a flat map of them among old ones.

Figures for the page. A cosine says where a row points, not whether it works: the double-subword rate says that.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.model.tables import find_tables
from tokengraft.tokenizer import ExtendedTokenizer

PLACES = ("first", "middle", "last")
QUANTILES = 33
MAPPED_NEW, MAPPED_OLD = 240, 360
"""Rows on the map at most: more would cover one another."""


def geometry(model: Any, extension: ExtendedTokenizer, seed: int = 0) -> dict[str, Any]:
    """Figures of the input table and, where it is another, of the head; and the map of the input rows.

    Raises:
        ModelError: the model has no tables.
    """
    tables = find_tables(model)
    found: dict[str, Any] = {"inputs": _figures(tables.input_weight, extension)}
    if not tables.tied:
        found["head"] = _figures(tables.head_weight, extension)
    return {**found, "map": _map(tables.input_weight, extension, seed)}


def _figures(table: Float[Tensor, "rows d"], extension: ExtendedTokenizer) -> dict[str, Any]:
    new = _rows(table, torch.arange(extension.base_size, extension.size))
    pieces = [token.pieces for token in extension.new_tokens]
    chosen = {
        "first": [p[0] for p in pieces],
        "middle": [p[len(p) // 2] for p in pieces],
        "last": [p[-1] for p in pieces],
    }
    cosines = {
        name: torch.cosine_similarity(new, _rows(table, torch.tensor(ids, dtype=torch.long)), dim=1)
        for name, ids in chosen.items()
    }
    # A token of two pieces has no middle: its own second piece would count twice.
    long = torch.tensor([len(p) > 2 for p in pieces], dtype=torch.bool)
    cosines["middle"] = cosines["middle"][long]
    old = table.detach()[: extension.base_size].float().norm(dim=1)
    return {
        "cosines": {name: _quantiles(each) for name, each in cosines.items()},
        "norms": {"old": _quantiles(old), "new": _quantiles(new.norm(dim=1))},
    }


def _map(table: Float[Tensor, "rows d"], extension: ExtendedTokenizer, seed: int) -> dict[str, Any]:
    """The two main directions of some new rows, their pieces and some other old rows, each row at length 1."""
    new = _drawn([token.id for token in extension.new_tokens], MAPPED_NEW, seed)
    by_id = {token.id: token for token in extension.new_tokens}
    pieces = _drawn(sorted({piece for number in new for piece in by_id[number].pieces}), MAPPED_OLD // 2, seed)
    others = _drawn(
        [number for number in range(extension.base_size) if number not in set(pieces)], MAPPED_OLD // 2, seed
    )
    ids = [*others, *pieces, *new]
    rows = torch.nn.functional.normalize(_rows(table, torch.tensor(ids, dtype=torch.long)), dim=1)
    # One direction that all rows share says nothing of neighbours.
    centred = (rows - rows.mean(0)).double().numpy()
    directions = np.linalg.svd(centred, full_matrices=False)
    places = centred @ directions[2][:2].T if len(ids) > 2 else np.zeros((len(ids), 2))
    power = directions[1] ** 2
    return {
        "ids": ids,
        "texts": [extension.file.token_bytes(number).decode("utf-8", errors="replace") for number in ids],
        "kinds": ["old"] * len(others) + ["piece"] * len(pieces) + ["new"] * len(new),
        "x": np.round(places[:, 0], 4).tolist(),
        "y": np.round(places[:, 1], 4).tolist(),
        "explained": round(float(power[:2].sum() / power.sum()), 4) if power.sum() else 0.0,
    }


def _rows(table: Float[Tensor, "rows d"], ids: Int[Tensor, " some"]) -> Float[Tensor, "some d"]:
    return table.detach()[ids.to(table.device)].float().cpu()


def _drawn(ids: Sequence[int], most: int, seed: int) -> list[int]:
    """Some of the ids in their order, drawn with a seed; all of them where they are few."""
    if len(ids) <= most:
        return list(ids)
    places = np.random.default_rng(seed).choice(len(ids), most, replace=False)
    return [ids[place] for place in np.sort(places)]


def _quantiles(values: Float[Tensor, " some"]) -> list[float]:
    """Values at equal steps of rank from the smallest to the largest; empty for none."""
    if not len(values):
        return []
    return np.round(np.quantile(values.double().cpu().numpy(), np.linspace(0, 1, QUANTILES)), 5).tolist()

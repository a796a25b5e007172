"""Everything that `tokengraft interpret` shows, as plain values."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.config import CorpusConfig, DistillConfig
from tokengraft.corpus import stream
from tokengraft.errors import ConfigError
from tokengraft.interpret.cosines import piece_cosines
from tokengraft.interpret.geometry import geometry
from tokengraft.interpret.lens import logit_lens
from tokengraft.interpret.neighbours import neighbours
from tokengraft.interpret.substitution import substitution
from tokengraft.model import find_tables, load_model
from tokengraft.phases.texts import training_windows
from tokengraft.tokenizer import ExtendedTokenizer
from tokengraft.tokenizer.tokens import shown


def interpret_folder(
    model: str, base: str, *, before: str | None = None, corpus: str | None = None, token: str | None = None, k: int = 5
) -> dict[str, Any]:
    """What is known of the new rows of the model in a folder: see `interpret_model`.

    Raises:
        TokengraftError: a folder cannot be used, or the token is not a new one.
    """
    extension = ExtendedTokenizer.load(model, base)
    chosen = None if token is None else _new_token(extension, token)
    texts = [] if corpus is None else [document.text for document in stream(CorpusConfig(corpus))]
    loaded = load_model(model, device="cpu")
    earlier = None if before is None else load_model(before, device="cpu")
    return interpret_model(loaded, extension, before=earlier, texts=texts, token=chosen, k=k)


def interpret_model(
    model: Any, extension: Any, *, before: Any = None, texts: Sequence[str] = (), token: Any = None, k: int = 5
) -> dict[str, Any]:
    """Plain values: cosines to pieces, geometry, neighbours of each token, substitution in `texts`, a token's lens.

    `before` is the same model before training; its cosines and geometry stand beside.

    Raises:
        ModelError: the model's blocks or head are of an unknown kind.
    """
    halves = _halves(model, "after" if before is not None else "")
    if before is not None:
        halves = {**_halves(before, "before"), **halves}
    windows = training_windows(model, extension, texts, DistillConfig()) if texts else []
    found = substitution(model, windows, extension.base_size, extension.size) if windows else {}
    return {
        "cosines": {name: _cosines(table, extension) for name, table in halves.items()},
        "geometry": {name: _geometry(table, extension) for name, table in halves.items()},
        "substitution": _substitution(found),
        "tokens": _tokens(model, extension, found, k),
        "lens": [] if token is None else _lens(model, extension, token),
    }


def _halves(model: Any, when: str) -> dict[str, Float[Tensor, "rows d"]]:
    tables = find_tables(model)
    names = {"inputs": tables.input_weight} if tables.tied else {
        "inputs": tables.input_weight, "head": tables.head_weight,
    }  # fmt: skip
    return {f"{name} {when}".strip(): table for name, table in names.items()}


def _cosines(table: Float[Tensor, "rows d"], extension: Any) -> dict[str, float | None]:
    means = piece_cosines(table, extension.new_tokens, extension.base_size).means()
    return {name: None if value != value else value for name, value in means.items()}  # noqa: PLR0124 (NaN)


def _geometry(table: Float[Tensor, "rows d"], extension: Any) -> dict[str, Any]:
    new = geometry(table[extension.base_size : extension.size])
    draw = torch.Generator().manual_seed(0)
    old_rows = table[: extension.base_size].detach().float().cpu()
    old = geometry(old_rows[torch.randperm(len(old_rows), generator=draw)[: len(new.norms)]])
    return {
        "norm": float(new.norms.median()),
        "old_norm": float(old_rows.norm(dim=1).median()),
        "effective_rank": new.effective_rank,
        "old_effective_rank": old.effective_rank,
        "norms": new.norms.tolist(),
        "spectrum": new.spectrum.tolist(),
        "old_spectrum": old.spectrum.tolist(),
    }


def _substitution(found: Mapping[int, Any]) -> dict[str, Any]:
    if not found:
        return {}
    total = sum(entry.occurrences for entry in found.values())

    def mean(name: str) -> float:
        return sum(getattr(entry, name) * entry.occurrences for entry in found.values()) / total

    return {"means": {"occurrences": total, **{name: mean(name) for name in ("kl", "cosine", "argmax")}}}


def _tokens(model: Any, extension: Any, found: Mapping[int, Any], k: int) -> list[dict[str, Any]]:
    """Each new token with its neighbours; where texts were given, those that are least like their pieces first."""
    tables, text = find_tables(model), extension.file.token_bytes
    halves = {"inputs": tables.input_weight, "head": tables.head_weight}
    near = {name: neighbours(table, extension.new_tokens, extension.base_size, k=k) for name, table in halves.items()}
    entries = []
    for place, token in enumerate(extension.new_tokens):
        seen = found.get(token.id)
        entries.append(
            {
                "id": token.id,
                "text": shown(token.bytes),
                "pieces": [shown(text(piece)) for piece in token.pieces],
                **{
                    name: [{"id": one.id, "text": shown(text(one.id)), "cosine": one.cosine} for one in rows[place]]
                    for name, rows in near.items()
                },
                "kl": None if seen is None else seen.kl,
                "occurrences": 0 if seen is None else seen.occurrences,
            }
        )
    return sorted(entries, key=lambda entry: -(entry["kl"] or 0.0)) if found else entries


def _lens(model: Any, extension: Any, token: Any) -> list[dict[str, Any]]:
    ids = [*extension.base.prefix_ids(), token.id]
    return [
        {
            "layer": layer.layer,
            "tokens": [
                [shown(extension.file.token_bytes(number)), share]
                for number, share in zip(layer.tokens, layer.probabilities, strict=True)
            ],
        }
        for layer in logit_lens(model, ids, extension.size)
    ]


def _new_token(extension: Any, text: str) -> Any:
    for token in extension.new_tokens:
        if token.bytes == text.encode():
            return token
    raise ConfigError(
        found=f"token {text!r}",
        expected=f"the text of a new token, for instance {extension.new_tokens[0].text!r}",
        do="mind the leading space",
    )

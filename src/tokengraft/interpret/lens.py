"""The logit lens: what the head would say if the model ended behind a layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tokengraft.evaluation.reader import Reader
from tokengraft.model.layers import find_blocks, states_by_layer


@dataclass(frozen=True, slots=True)
class LensLayer:
    """What one layer would predict next."""

    layer: int
    tokens: tuple[int, ...]
    probabilities: tuple[float, ...]


@torch.inference_mode()
def logit_lens(model: Any, ids: Sequence[int], size: int, *, k: int = 3) -> list[LensLayer]:
    """For each layer its `k` most probable next tokens behind `ids`; the last layer is the model's own prediction.

    Intermediate states pass the model's final norm and its head (nostalgebraist 2020). An early layer says mostly what
    was read, later ones what comes: behind a new token one sees where the token is understood.

    Raises:
        ModelError: the model's blocks or head are of an unknown kind.
    """
    reader = Reader.of(model, size)
    count = len(find_blocks(model))
    embedded = model.get_input_embeddings()(torch.tensor([list(ids)], device=model.device))
    states = states_by_layer(model, embedded, range(1, count + 1))
    norm = _final_norm(model)
    result = []
    for layer in sorted(states):
        last = states[layer][0, -1:]
        logits = reader.logits(last if layer == count or norm is None else norm(last))[0]
        best = logits.softmax(0).topk(min(k, size))
        result.append(LensLayer(layer, tuple(best.indices.tolist()), tuple(best.values.tolist())))
    return result


def _final_norm(model: Any) -> Any:
    """The norm between the last block and the head: the last child of the body that is one."""
    names = [name for name, _ in model.base_model.named_children() if "norm" in name.lower() or name.startswith("ln_")]
    return getattr(model.base_model, names[-1]) if names else None

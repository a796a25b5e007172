"""Settings of the model and of generation that must agree with the tokenizer."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

NAMED = ("pad", "bos", "eos")
"""Roles whose ids stand in config.json and generation_config.json."""


def changed_config(role_ids: Mapping[str, int], rows: int) -> dict[str, Any]:
    """What changes in config.json.

    >>> changed_config({"pad": 9}, 10)
    {'vocab_size': 10, 'pad_token_id': 9}
    """
    return {"vocab_size": rows, **{f"{role}_token_id": role_ids[role] for role in NAMED if role in role_ids}}


def changed_generation(
    before: Mapping[str, Any], role_ids: Mapping[str, int], suppressed: Sequence[int], used: Collection[int]
) -> dict[str, Any]:
    """What changes in generation_config.json. A new end token comes first; the old ones still end a text.

    `used` are ids that have become tokens, and so are suppressed no longer.

    >>> changed_generation({"eos_token_id": 2, "suppress_tokens": [7]}, {"eos": 7, "pad": 8}, [8, 9], [7, 8])
    {'pad_token_id': 8, 'eos_token_id': [7, 2], 'suppress_tokens': [8, 9]}
    """
    changed: dict[str, Any] = {f"{role}_token_id": role_ids[role] for role in NAMED if role in role_ids}
    if "eos" in role_ids:
        old = [number for number in _listed(before.get("eos_token_id")) if number != role_ids["eos"]]
        changed["eos_token_id"] = [role_ids["eos"], *old] if old else role_ids["eos"]
    kept = [number for number in _listed(before.get("suppress_tokens")) if number not in used]
    silent = list(dict.fromkeys([*kept, *suppressed]))
    if silent or before.get("suppress_tokens"):
        changed["suppress_tokens"] = silent
    return changed


def _listed(value: Any) -> list[int]:
    return [] if value is None else list(value) if isinstance(value, Sequence) else [value]

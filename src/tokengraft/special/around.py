"""What a tokenizer puts around a text follows the roles: a new begin or end token stands where the old one stood."""

from collections.abc import Mapping
from typing import Any

SIDES = {"bos": False, "eos": True}
"""Whether the token of a role stands behind the text."""

PAIRS = ("BertProcessing", "RobertaProcessing")
"""Processors that name one token before a text and one behind it."""


def with_roles_around(
    processor: Mapping[str, Any] | None, old: Mapping[str, str | None], new: Mapping[str, tuple[str, int]]
) -> Any:
    """The post-processor of a tokenizer.json with the tokens `new` in the place of `old`, each by its role.

    Where one token is both bos and eos, its place says which it is: before the text, or behind it.

    >>> text = {"Sequence": {"id": "A", "type_id": 0}}
    >>> begin = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    >>> processor = {"type": "TemplateProcessing", "single": [begin, text], "pair": [begin, text],
    ...              "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    >>> changed = with_roles_around(processor, {"bos": "<s>"}, {"bos": ("<begin>", 9)})
    >>> changed["single"][0], changed["special_tokens"]["<begin>"]["ids"]
    ({'SpecialToken': {'id': '<begin>', 'type_id': 0}}, [9])
    """
    if processor is None:
        return None
    if processor["type"] == "Sequence":
        return {**processor, "processors": [with_roles_around(each, old, new) for each in processor["processors"]]}
    if processor["type"] in PAIRS:
        pairs = {"cls": "bos", "sep": "eos"}
        changed = {
            name: list(new[role]) for name, role in pairs.items() if role in new and processor[name][0] == old.get(role)
        }
        return {**processor, **changed}
    if processor["type"] != "TemplateProcessing":
        return processor
    known = dict(processor["special_tokens"])
    for role, (content, number) in new.items():
        if role in SIDES and old.get(role) in known:
            known[content] = {"id": content, "ids": [number], "tokens": [content]}
    single, pair = (_exchanged(processor[name], old, new) for name in ("single", "pair"))
    used = {part["SpecialToken"]["id"] for part in (*single, *pair) if "SpecialToken" in part}
    return {
        **processor, "single": single, "pair": pair,
        "special_tokens": {name: value for name, value in known.items() if name in used},
    }  # fmt: skip


def _exchanged(
    parts: list[dict[str, Any]], old: Mapping[str, str | None], new: Mapping[str, tuple[str, int]]
) -> list[dict[str, Any]]:
    made, behind = [], False
    for part in parts:
        behind = behind or "Sequence" in part
        special = part.get("SpecialToken")
        for role, (content, _) in new.items():
            if special and SIDES.get(role) == behind and special["id"] == old.get(role):
                special = {**special, "id": content}
        made.append(part if special is None else {**part, "SpecialToken": special})
    return made

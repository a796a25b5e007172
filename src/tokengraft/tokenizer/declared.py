"""What only `tokenizer_config.json` says, written into the `tokenizer.json` itself.

transformers adds the tokens of `added_tokens_decoder` at each load, the tokenizers library does not read that file. A
document that says everything encodes alike in both, and leaves no id that a new token could take by mistake.
"""

from collections.abc import Mapping
from typing import Any

_FLAGS = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")


def content_of(token: Any) -> str | None:
    """The text of a special token, which configurations give as text or as a mapping with `content`.

    >>> content_of("<s>"), content_of({"content": "<s>", "lstrip": False}), content_of(None)
    ('<s>', '<s>', None)
    """
    return token.get("content") if isinstance(token, Mapping) else token


def with_declared(document: dict[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """`document` with the added tokens that `config` alone declares; the same object where there are none.

    >>> late = {"added_tokens_decoder": {"7": {"content": "<late>", "special": True}}}
    >>> with_declared({"added_tokens": []}, late)["added_tokens"][0]["id"]
    7
    """
    added = document.get("added_tokens") or []
    known = {token["content"] for token in added}
    more = [
        {"id": int(number), **{flag: token.get(flag, False) for flag in _FLAGS}}
        for number, token in (config.get("added_tokens_decoder") or {}).items()
        if token["content"] not in known
    ]
    if not more:
        return document
    return {**document, "added_tokens": sorted([*added, *more], key=lambda token: token["id"])}

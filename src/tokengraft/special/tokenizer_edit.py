"""The tokenizer with more control tokens: ids of old tokens stay, new ones follow, and every file agrees."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tokengraft.special.around import with_roles_around
from tokengraft.special.request import SpecialToken
from tokengraft.special.vetting import holder_of
from tokengraft.tokenizer import TokenizerFile
from tokengraft.tokenizer.conservative import PORTABLE_CLASS, pinned_vocabulary
from tokengraft.tokenizer.file import SPECIAL_TOKENS_MAP

LISTS = ("additional_special_tokens", "extra_special_tokens")
"""Where configurations list control tokens without a role; the second name is that of transformers 5."""

UNKNOWN_TO_4 = "TokenizersBackend"


def with_tokens(file: TokenizerFile, tokens: Sequence[SpecialToken]) -> TokenizerFile:
    """`file` with `tokens` on the ids from `file.size` on.

    The new ones and every old added token also get an entry in the model's vocabulary: the library numbers anew, at
    each reload, what stands outside it.
    """
    return with_added(file, [token.content for token in tokens], _flags(special=True), roles_of(tokens))


def with_added(
    file: TokenizerFile, contents: Sequence[str], flags: Mapping[str, bool], roles: Mapping[str, str]
) -> TokenizerFile:
    """`file` with added tokens of these flags; `roles` names the token of each role that changes."""
    entries = [{"id": file.size + place, "content": content, **flags} for place, content in enumerate(contents)]
    added = sorted([*file.added_tokens, *entries], key=lambda token: token["id"])
    model = {**file.document["model"], "vocab": _vocabulary(file, contents)}
    old = {role: holder_of(file, role) for role in roles}
    ids = {content: file.size + place for place, content in enumerate(contents)}
    new = {role: (content, ids[content]) for role, content in roles.items()}
    around = with_roles_around(file.document.get("post_processor"), old, new)
    document = {**file.document, "added_tokens": added, "model": model}
    if around != file.document.get("post_processor"):
        document["post_processor"] = around
    companions = dict(file.companions)
    if SPECIAL_TOKENS_MAP in companions:
        known = json.loads(companions[SPECIAL_TOKENS_MAP])
        named = _named(known, contents, roles, special=flags["special"])
        companions[SPECIAL_TOKENS_MAP] = json.dumps(named, ensure_ascii=False, indent=2) + "\n"
    config = _with_declared(_named(file.config, contents, roles, special=flags["special"]), entries)
    return replace(file, document=document, config=_loadable(config), companions=companions)


def roles_of(tokens: Sequence[SpecialToken]) -> dict[str, str]:
    """The token of each role that the request gives away."""
    return {token.role: token.content for token in tokens if token.role != "additional"}


def _flags(*, special: bool) -> dict[str, bool]:
    # `normalized` false: the token is looked for in the text as it stands.
    return {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}


def _vocabulary(file: TokenizerFile, contents: Sequence[str]) -> Any:
    vocabulary = file.document["model"]["vocab"]
    if isinstance(vocabulary, Mapping):
        pinned = pinned_vocabulary(file.document, file.size)
        return pinned | {content: file.size + place for place, content in enumerate(contents)}
    # Unigram: ids by place. The lowest score there is, for entries that no text reaches: it is cut at them before.
    lowest = min(score for _, score in vocabulary)
    outside = [file.tokens[number] or f"<|unused {number}|>" for number in range(len(vocabulary), file.size)]
    return [*vocabulary, *([entry, lowest] for entry in (*outside, *contents))]


def _named(
    config: Mapping[str, Any], contents: Sequence[str], roles: Mapping[str, str], *, special: bool
) -> dict[str, Any]:
    named = {**config, **{f"{role}_token": content for role, content in roles.items()}}
    more = [content for content in contents if special and content not in roles.values()]
    if more:
        where = next((name for name in LISTS if isinstance(config.get(name), list)), LISTS[0])
        named[where] = [*config.get(where, ()), *more]
    return named


def _with_declared(config: dict[str, Any], entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if "added_tokens_decoder" not in config:
        return config
    declared = {str(entry["id"]): {name: value for name, value in entry.items() if name != "id"} for entry in entries}
    return {**config, "added_tokens_decoder": {**config["added_tokens_decoder"], **declared}}


def _loadable(config: dict[str, Any]) -> dict[str, Any]:
    """The class stays, because some name tokens of their own; the one that transformers 4 does not know goes."""
    if config.get("tokenizer_class", UNKNOWN_TO_4) != UNKNOWN_TO_4:
        return config
    return {**{name: value for name, value in config.items() if name != "backend"}, "tokenizer_class": PORTABLE_CLASS}

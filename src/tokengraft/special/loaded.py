"""Control tokens in a tokenizer that is loaded: changed in place, by transformers' own functions."""

import copy
from typing import Any

from tokenizers import AddedToken

from tokengraft.errors import CheckError
from tokengraft.special.chat import TEMPLATE
from tokengraft.special.plan import Plan


def put_into(tokenizer: Any, plan: Plan) -> dict[str, Any] | None:
    """What the tokenizer was, for the way back; None where `tokenizer` is a path, which is left as it is.

    Raises:
        CheckError: transformers gives a token another id; the tokenizer is as it was.
    """
    if not hasattr(tokenizer, "add_tokens") or not hasattr(tokenizer, "save_pretrained"):
        return None
    before = copy.deepcopy(vars(tokenizer))
    try:
        _add(tokenizer, plan)
        _require_ids(tokenizer, plan)
    except BaseException:
        vars(tokenizer).clear()
        vars(tokenizer).update(before)
        raise
    return before


def _add(tokenizer: Any, plan: Plan) -> None:
    if plan.words.merged:
        _exchange(tokenizer, plan)
        return
    added = {token["content"]: token for token in plan.file.added_tokens if token["id"] >= plan.base_size}
    for content, token in sorted(added.items(), key=lambda entry: entry[1]["id"]):
        flags = {name: token[name] for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        tokenizer.add_tokens([AddedToken(content, **flags)], special_tokens=token["special"])
    if plan.file.document.get("post_processor") != plan.base.document.get("post_processor"):
        tokenizer._tokenizer.post_processor = plan.file.tokenizer.post_processor
    _name(tokenizer, plan)


def _exchange(tokenizer: Any, plan: Plan) -> None:
    """Merges cannot be added to a loaded tokenizer: its inner one is exchanged for one that has them."""
    tokenizer._tokenizer = plan.file.tokenizer
    _name(tokenizer, plan)


def _name(tokenizer: Any, plan: Plan) -> None:
    for role, number in plan.role_ids.items():
        setattr(tokenizer, f"{role}_token", plan.ids[number])
    more = [token.content for token in plan.tokens if token.role == "additional"]
    if more:
        name = (
            "additional_special_tokens" if hasattr(tokenizer, "additional_special_tokens") else "extra_special_tokens"
        )
        setattr(tokenizer, name, [*map(str, getattr(tokenizer, name) or ()), *more])
    if plan.file.companions.get(TEMPLATE) != plan.base.companions.get(TEMPLATE):
        tokenizer.chat_template = plan.file.companions[TEMPLATE]


def _require_ids(tokenizer: Any, plan: Plan) -> None:
    wrong = {
        token: tokenizer.convert_tokens_to_ids(token)
        for number, token in plan.ids.items()
        if tokenizer.convert_tokens_to_ids(token) != number
    }
    if wrong:
        raise CheckError(
            found=f"other ids than planned: {wrong}",
            expected=f"ids from {plan.base_size} on",
            do="save the tokenizer to a folder, and use tokengraft on the model's folder",
        )

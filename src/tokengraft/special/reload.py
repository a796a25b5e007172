"""The folder as others will read it: ids, roles and sizes, after everything was written."""

import warnings
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from tokengraft.errors import CheckError
from tokengraft.special.plan import Plan
from tokengraft.special.weights import Header, weight_files
from tokengraft.tokenizer import ExtendedTokenizer, TokenizerFile


def check_reload(folder: Path, plan: Plan, rows: int) -> None:
    """Returns where tokenizers and `AutoTokenizer` both read every id as planned, and the settings agree.

    Raises:
        CheckError: they do not; the message names what differs.
    """
    wanted = plan.file.ids
    reread = TokenizerFile.load(folder).tokenizer.get_vocab(with_added_tokens=True)
    _compare("tokenizers", reread, wanted)
    auto = load_auto(folder)
    _compare("AutoTokenizer", auto.get_vocab(), wanted)
    for token in plan.tokens:
        number = plan.file.ids[token.content]
        if auto(token.content, add_special_tokens=False)["input_ids"] != [number]:
            _failed(f"AutoTokenizer splits {token.content!r}")
    for role, number in plan.role_ids.items():
        if getattr(auto, f"{role}_token_id") != number:
            _failed(f"{role}_token_id {getattr(auto, f'{role}_token_id')} of AutoTokenizer, not {number}")
    if plan.extension is not None and plan.ids:
        ExtendedTokenizer.load(folder, plan.base)
    config = AutoConfig.from_pretrained(folder).get_text_config()
    if config.vocab_size != rows:
        _failed(f"vocab_size {config.vocab_size} in config.json, and {rows} rows")
    for name in sorted(set(weight_files(folder).values())):
        Header.read(folder / name)


def load_auto(folder: Path) -> Any:
    """The tokenizer as transformers loads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AutoTokenizer.from_pretrained(folder)


def _compare(who: str, found: dict[str, int], wanted: dict[str, int]) -> None:
    wrong = [
        f"{entry!r}: {number} → {found.get(entry)}" for entry, number in wanted.items() if found.get(entry) != number
    ]
    if wrong:
        _failed(f"{len(wrong)} ids that {who} reads otherwise, such as {wrong[0]}")


def _failed(found: str) -> None:
    raise CheckError(
        found=found, expected="the ids and settings that were written", do="report the tokenizer; nothing was written"
    )

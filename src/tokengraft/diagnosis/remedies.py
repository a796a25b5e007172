"""What several checks advise: how tokens get rows anew, in commands and code that can be copied."""

import shlex
from collections.abc import Sequence

from tokengraft.diagnosis.case import Case

NAMED = 4
"""Tokens that a command names at most."""


def make_anew(case: Case, rows: Sequence[int], table: str) -> str:
    """How the rows of tokens get a start: from the model without the tokens, or by hand in the model as it is."""
    by_hand = f"set weight.data[{rows[0]}] of the {table} to the mean row of tokens that mean the same"
    command = from_base(case, rows)
    return f"begin again from the model without these tokens: {command}; or {by_hand}" if command else by_hand


def from_base(case: Case, rows: Sequence[int]) -> str:
    """The command that adds these tokens to the model without them; empty where none of them was added to it."""
    if case.vocabulary is None:
        return ""
    added = {number: token for token, number in case.vocabulary.added.items()}
    tokens = [added[row] for row in rows if row in added]
    pad = case.vocabulary.roles.get("pad_token")
    parts = [f"--pad {shlex.quote(token)}" if token == pad else f"--token {like(token)}" for token in tokens[:NAMED]]
    return " ".join(("tokengraft special BASE", *parts, *["…"] * (len(tokens) > NAMED), "--out NEW")) if parts else ""


def like(token: str) -> str:
    """The value of `--token`, ready for a shell.

    >>> like("<|user|>")
    "'<|user|>=SIMILAR,WORDS'"
    """
    return shlex.quote(f"{token}=SIMILAR,WORDS")

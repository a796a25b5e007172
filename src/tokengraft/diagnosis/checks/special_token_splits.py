"""Special tokens in pieces."""

import shlex
from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error


@check("special-token-splits", needs=("tokenizer",), symptom="special token is split into several tokens")
def special_token_splits(case: Case) -> Iterator[Finding]:
    """A token that the configuration names as special, or that the training calls new, is encoded as several."""
    assert case.vocabulary
    vocabulary = case.vocabulary
    new = case.training.new_tokens if case.training else ()
    split = {}
    for token in dict.fromkeys([*vocabulary.declared, *new]):
        ids = vocabulary.encode(token)
        if ids != [vocabulary.file.ids.get(token)]:
            split[token] = ids
    if split:
        shown = "; ".join(f"{token!r} → {vocabulary.named(ids)}" for token, ids in list(split.items())[:4])
        what = "1 special token is" if len(split) == 1 else f"{len(split)} special tokens are"
        roles = {token: role.removesuffix("_token") for role, token in vocabulary.roles.items()}
        flags = " ".join(f"--{roles.get(token, 'token')} {shlex.quote(token)}" for token in list(split)[:4])
        yield error(
            f"{what} not one id: {shown}",
            "The text of the token reaches the model as ordinary pieces; its own row, if it has one, is never used.",
            f"add it to tokenizer and model: tokengraft special MODEL {flags} --out NEW",
            tokens={token: list(ids) for token, ids in split.items()},
        )

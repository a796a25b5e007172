"""The new rows of both tables: where they start, how much of the probability they take, and pad's silence."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.errors import TokenizerError
from tokengraft.init import InitContext, initialisers
from tokengraft.model import NewRows
from tokengraft.model.tables import Tables, find_tables
from tokengraft.special.hearing import Hearing, quiet_direction
from tokengraft.special.request import SpecialToken
from tokengraft.special.silence import silent_row
from tokengraft.special.start import similar_rows, typical_rows
from tokengraft.special.vetting import holder_of
from tokengraft.tokenizer import NewToken, TokenizerFile

BIAS_OF_SILENCE = -1e4
"""Logit that a head with a bias gives to a silent row; float16 holds it."""

MOST_QUIETING = 20.0
"""Nats by which a row's logit is lowered at most."""


@dataclass(frozen=True)
class Rows:
    """New rows by id from the old size on: those of tokens, then those of no token (padding of the table)."""

    new: NewRows
    direction: Float[Tensor, " d"]
    starts: tuple[str, ...]
    """Where each row comes from, in words."""
    quieted: tuple[float, ...]
    """Nats by which each head row was lowered."""
    silent: frozenset[int] = field(default_factory=frozenset)
    """Places of rows that nothing may ever predict."""


@torch.no_grad()
def make_rows(
    model: Any, file: TokenizerFile, words: Sequence[NewToken], tokens: Sequence[SpecialToken], hearing: Hearing,
    other: Hearing, *, phantoms: int = 0, share: float = 1e-3, seed: int = 0,
) -> Rows:  # fmt: skip
    """Rows in float32 for `words`, `tokens` and `phantoms` rows without a token; nothing is written.

    All tokens together take at most `share` of the probability on text that the model writes itself; pad and phantoms
    take none, as far as the head can have it so. What is fitted on `hearing` is judged on `other`.

    Raises:
        TokenizerError: a similar word or a description is nothing that the tokenizer can spell.
    """
    tables = find_tables(model)
    bias = tables.head_bias
    make = _Maker(file, words, tokens, phantoms, seed)
    inputs, starts = make(tables.input_weight, head=False)
    heads = inputs if tables.tied else make(tables.head_weight, head=True)[0]
    biases = None if bias is None else make.biases(bias.detach()[: file.size].float().cpu())
    silent = frozenset(make.silent())
    direction = quiet_direction(hearing)
    quieted = _lower(heads, biases, direction, (hearing, other), silent, share)
    _silence(heads, biases, (hearing, other), silent)
    return Rows(NewRows(inputs, heads, biases, tied=tables.tied), direction, tuple(starts), tuple(quieted), silent)


def quieted_again(made: Rows, new: NewRows, hearings: Sequence[Hearing], share: float) -> Rows:
    """The rows `new` in the place of those made; where tied tables have made them louder they are lowered again."""
    heads, biases = new.head.detach().clone(), None if new.bias is None else new.bias.detach().clone()
    amounts = _lower(heads, biases, made.direction, hearings, made.silent, share)
    inputs = heads if new.tied else new.inputs
    more = tuple(old + amount for old, amount in zip(made.quieted, amounts, strict=True))
    return replace(made, new=NewRows(inputs, heads, biases, tied=new.tied), quieted=more)


@dataclass(frozen=True)
class _Maker:
    file: TokenizerFile
    words: Sequence[NewToken]
    tokens: Sequence[SpecialToken]
    phantoms: int
    seed: int

    def __call__(self, whole: Float[Tensor, "rows d"], *, head: bool) -> tuple[Float[Tensor, "new d"], list[str]]:
        generator = torch.Generator().manual_seed(self.seed * 2 + head)
        table = whole.detach()[: self.file.size].float().cpu()
        rows, starts = [], []
        if self.words:
            method = "first-subtoken" if head else "subtoken-mean"
            context = InitContext(self.file.token_bytes, generator)
            rows.append(initialisers.get(method)(table, self.words, context))
            starts += ["mean of its pieces"] * len(self.words)
        drawn = typical_rows(table, len(self.tokens) + self.phantoms, generator)
        for place, token in enumerate(self.tokens):
            groups, said = self.groups(token)
            rows.append(similar_rows(table, groups)[None] if groups else drawn[place : place + 1])
            starts.append(said)
        rows.append(drawn[len(self.tokens) :])
        return torch.cat(rows), starts + ["no token"] * self.phantoms

    def groups(self, token: SpecialToken) -> tuple[list[list[int]], str]:
        """Ids of each similar word, the description, or the token whose role it takes; none: the whole table."""
        if token.like:
            return [self.spelled(word, token) for word in token.like], "like " + ", ".join(token.like)
        if token.description:
            return [self.spelled(token.description, token)], f"described as {token.description!r}"
        holder = None if token.role in {"additional", "pad"} else holder_of(self.file, token.role)
        if holder in self.file.ids:
            return [[self.file.ids[holder]]], f"like {holder}, which had its role"
        return [], "mean of the table"

    def spelled(self, text: str, token: SpecialToken) -> list[int]:
        """Ids of a text; with a space before it where that makes it one id."""
        if text in self.file.ids:
            return [self.file.ids[text]]
        alone, inside = self.file.encode([text, " " + text])
        ids = inside if len(inside) == 1 < len(alone) else alone
        unknown = self.file.ids.get(self.file.document["model"].get("unk_token") or "")
        known = [number for number in ids if number != unknown]
        if not known:
            raise TokenizerError(
                found=f"{text!r} as a start for {token.content!r}, which the tokenizer cannot spell",
                expected="words of text that the tokenizer knows",
                do="name other words, or none: then the row starts from the mean of the table",
            )
        return known

    def biases(self, old: Float[Tensor, " base"]) -> Float[Tensor, " new"]:
        """Biases: as the rows' similar tokens have them, else the mean."""
        found = [float(old[list(word.pieces[:1])].mean()) for word in self.words]
        for token in self.tokens:
            groups, _ = self.groups(token)
            found.append(
                float(torch.stack([old[group].mean() for group in groups]).mean()) if groups else float(old.mean())
            )
        return torch.tensor(found + [float(old.mean())] * self.phantoms)

    def silent(self) -> list[int]:
        """Places of pad and of the rows without a token."""
        first = len(self.words)
        pads = [first + place for place, token in enumerate(self.tokens) if token.role == "pad"]
        return [*pads, *range(first + len(self.tokens), first + len(self.tokens) + self.phantoms)]


def _lower(
    heads: Float[Tensor, "new d"], biases: Float[Tensor, " new"] | None, direction: Float[Tensor, " d"],
    hearings: Sequence[Hearing], silent: frozenset[int], share: float,
) -> list[float]:  # fmt: skip
    """Lowers, in place, the head row of each token that is heard until it takes no more than its part of `share`."""
    amounts = [0.0] * len(heads)
    heard = [place for place in range(len(heads)) if place not in silent]
    if not heard or share <= 0:
        return amounts
    part = share / len(heard)
    for place in heard:
        row, bias = heads[place : place + 1], None if biases is None else biases[place : place + 1]
        amounts[place] = _least(row, bias, direction, hearings, part)
        if biases is not None:
            biases[place] -= amounts[place]
        else:
            heads[place] -= amounts[place] * direction
    return amounts


def _least(
    row: Float[Tensor, "1 d"], bias: Float[Tensor, " 1"] | None, direction: Float[Tensor, " d"],
    hearings: Sequence[Hearing], part: float,
) -> float:  # fmt: skip
    """The least number of nats that brings the row's mean share to `part`; where none does, the one nearest to it.

    It must do so on each of `hearings`, also on those that the direction was not fitted on: along a bad direction a row
    may become louder instead.
    """
    found = {}
    for amount in np.arange(0, MOST_QUIETING, 0.25).tolist():
        lowered = (row, bias - amount) if bias is not None else (row - amount * direction, None)
        found[amount] = max(float(hearing.mean_shares(*lowered)[0]) for hearing in hearings)
        if found[amount] <= part:
            return amount
    return min(found, key=found.__getitem__)


def _silence(
    heads: Float[Tensor, "new d"], biases: Float[Tensor, " new"] | None, hearings: tuple[Hearing, Hearing],
    silent: frozenset[int],
) -> None:  # fmt: skip
    """Sets, in place, the head rows that nothing may predict; with tied tables they are the input rows as well."""
    if silent and biases is None:
        heads[list(silent)] = silent_row(*hearings)
    elif biases is not None:
        biases[list(silent)] = BIAS_OF_SILENCE


@dataclass(frozen=True, slots=True)
class Silence:
    """Probability of rows that nothing should predict, together: on text of the model's own, and on random ids."""

    mean: float = 0.0
    largest: float = 0.0
    largest_on_random_ids: float = 0.0


def silence_of(tables: Tables, hearing: Hearing, ids: Sequence[int]) -> Silence:
    """What `ids` take as the tables stand, over the positions of `hearing`."""
    if not ids:
        return Silence()
    bias = None if tables.head_bias is None else tables.head_bias.detach()[list(ids)].float().cpu()
    shares = hearing.shares(tables.head_weight.detach()[list(ids)].float().cpu(), bias).sum(1)
    own, random = shares[hearing.written > 0], shares[hearing.written == 0]
    return Silence(float(own.mean()), float(own.max()), float(random.max()))

"""What will be done, decided before any model is loaded: ids, roles, the new tokenizer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tokengraft.errors import CheckError, ConfigError
from tokengraft.special.chat import with_chat_template
from tokengraft.special.request import SpecialToken, requested
from tokengraft.special.tokenizer_edit import with_tokens
from tokengraft.special.vetting import vet
from tokengraft.special.words import Words, with_words
from tokengraft.tokenizer import Ceiling, ExtendedTokenizer, NewToken, TokenizerFile, recognise
from tokengraft.tokenizer.tokens import ADDED, shown


@dataclass(frozen=True)
class Plan:
    """A base tokenizer and the one that replaces it. New ids are [base_size, size): words, then control tokens."""

    base: TokenizerFile
    file: TokenizerFile
    words: Words
    tokens: tuple[SpecialToken, ...]

    @property
    def base_size(self) -> int:
        """Ids below this are old."""
        return self.base.size

    @property
    def size(self) -> int:
        """Highest id + 1."""
        return self.file.size

    @property
    def word_tokens(self) -> Sequence[NewToken]:
        """New tokens that words are made of."""
        return self.words.tokens

    @cached_property
    def ids(self) -> dict[int, str]:
        """Every new id with its token."""
        return {number: self.file.tokens[number] or "" for number in range(self.base_size, self.size)}

    @cached_property
    def role_ids(self) -> dict[str, int]:
        """The id of each role that is given away."""
        return {token.role: self.file.ids[token.content] for token in self.tokens if token.role != "additional"}

    @cached_property
    def extension(self) -> ExtendedTokenizer | None:
        """The same as an extension, as training has it; None where the base cannot spell a new token at all."""
        pieces = self.base.encode([token.content for token in self.tokens])
        if not all(pieces):
            return None
        first = self.size - len(self.tokens)
        control = [
            NewToken(
                id=first + place, token=token.content, bytes=token.content.encode(), pieces=tuple(ids), merge=None,
                count=0, saved=0, score=0.0, notes=(ADDED,),
                piece_texts=tuple(shown(self.base.token_bytes(piece)) for piece in ids),
            )
            for place, (token, ids) in enumerate(zip(self.tokens, pieces, strict=True))
        ]  # fmt: skip
        new = (*self.words.tokens, *control)
        return ExtendedTokenizer(
            self.base, self.file, new, "special", recognise(self.base).name, len(new), Ceiling(0, 0)
        )

    @property
    def pads(self) -> list[int]:
        """The pad token's id, where there is one among the new."""
        return [self.role_ids["pad"]] if "pad" in self.role_ids else []

    def suppressed(self, rows: int) -> tuple[int, ...]:
        """Ids that generation must never choose: pad, and rows of no token."""
        return (*self.pads, *range(self.size, rows))


def make_plan(
    tokenizer: Any, tokens: Any = (), words: Sequence[str] = (), *, replace: Collection[str] = (),
    leading_space: str = "both", chat_template: str | None = None, template_tokens: dict[str, str] | None = None,
) -> Plan:  # fmt: skip
    """The plan for `tokens` and `words`, vetted; nothing is written.

    Raises:
        ConfigError: there is nothing to do, or a request is of no known form.
        TokenizerError: the tokenizer cannot be read, or a token or word cannot be added to it.
        CheckError: the new tokenizer does not keep an old id, or does not find a new token.
    """
    base = TokenizerFile.load(tokenizer)
    asked = requested(tokens)
    if not (asked or words or chat_template):
        raise ConfigError(
            found="no token, no word and no chat template", expected="something to add", do="name a token"
        )
    vet(base, asked, replace)
    found = with_words(base, words, leading_space) if words else Words(base, (), {})
    file = with_tokens(found.file, asked) if asked else found.file
    if chat_template:
        file = with_chat_template(file, chat_template, template_tokens or {})
    plan = Plan(base, file, found, asked)
    verify(plan)
    return plan


def verify(plan: Plan) -> None:
    """Returns where the tokenizers library keeps every old id and finds every control token whole.

    Raises:
        CheckError: it does not.
    """
    old = plan.base.tokenizer.get_vocab(with_added_tokens=True)
    new = plan.file.tokenizer.get_vocab(with_added_tokens=True)
    moved = [f"{entry!r}: {number} → {new.get(entry)}" for entry, number in old.items() if new.get(entry) != number]
    if moved:
        _failed(f"{len(moved)} old ids moved, such as {moved[0]}")
    for token in plan.tokens:
        number = plan.file.ids[token.content]
        [ids] = plan.file.encode([f"a{token.content}b"])
        if number not in ids or plan.file.encode([token.content]) != [[number]]:
            _failed(f"{token.content!r} is not found as id {number} in text, which encodes as {ids}")


def _failed(found: str) -> None:
    raise CheckError(
        found=found, expected="old ids as they were, and every new token as one id", do="choose another token"
    )

"""Whole words: by merges where the tokenizer's family can, so that no other text changes; else as added tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokengraft.errors import TokengraftError, TokenizerError
from tokengraft.special.tokenizer_edit import with_added
from tokengraft.special.vetting import existing_id, refuse_text
from tokengraft.tokenizer import NewToken, TokenizerFile, extend_tokenizer, recognise
from tokengraft.tokenizer.families import Unsupported
from tokengraft.tokenizer.tokens import ADDED
from tokengraft.tokenizer.word_list import spaced


@dataclass(frozen=True)
class Words:
    """A tokenizer in which words are whole, with how that was done."""

    file: TokenizerFile
    tokens: tuple[NewToken, ...]
    """New tokens in the order of their ids: the words, and on the way to them the parts that merges need."""
    whole: dict[str, int]
    """The id of each form of a word."""
    merged: bool = False
    """Whether merges were appended."""
    notes: tuple[str, ...] = ()


def with_words(file: TokenizerFile, words: Sequence[str], leading_space: str = "both") -> Words:
    """The tokenizer in which each word is one token: alone and after a space, or `with` or `without` one only.

    A family with merges gets them appended: other text stays as it was, and decoding too. A word that merges cannot
    make, because the split pattern cuts it or the family has none, becomes an added token: that is found before the
    text is split, and only where no letter or digit touches it; a space before it stays a token of its own.

    Raises:
        TokenizerError: a word exists as one token, is empty, invisible or holds a space.
    """
    asked = list(dict.fromkeys(words))
    for word in asked:
        _refuse(file, word, leading_space)
    done = _by_merges(file, asked, leading_space)
    rest = [word for word in asked if not {word, f" {word}"} & set(done.whole)]
    return _by_added_tokens(file, done, rest) if rest else done


def _refuse(file: TokenizerFile, word: str, leading_space: str) -> None:
    refuse_text(file, word)
    found = [existing_id(file, form) for form in spaced([word], leading_space)]
    if None not in found:
        raise TokenizerError(
            found=f"word {word!r}, which is token {found[-1]} already",
            expected="a word that the tokenizer splits",
            do="leave it out",
        )


def _by_merges(file: TokenizerFile, words: Sequence[str], leading_space: str) -> Words:
    if isinstance(recognise(file), Unsupported):
        return Words(file, (), {})
    forms = spaced(words, leading_space)
    pieces = sum(len(ids) for ids in file.encode(forms))
    try:
        extended = extend_tokenizer(
            file, size=pieces, method="words", words=words, leading_space=leading_space, min_count=1, processes=1
        )
    except TokengraftError as error:  # no word among them that merges could make, or a promise that would not hold
        return Words(file, (), {}, notes=(f"merges could not be used: {error.found}",))
    # SentencePiece puts a space before every text: alone, "word" is encoded as the token of " word".
    made = {token.bytes: token.id for token in extended.new_tokens}
    alone = {form: ids[0] for form, ids in zip(forms, extended.encode(forms), strict=True) if len(ids) == 1}
    whole = alone | {form: made[form.encode()] for form in forms if form.encode() in made}
    return Words(extended.file, extended.new_tokens, whole, merged=True)


def _by_added_tokens(base: TokenizerFile, done: Words, words: Sequence[str]) -> Words:
    file = done.file
    # A form with a space before it would never match: to the library the space then has a letter on its left.
    forms = [word for word in words if existing_id(file, word) is None]
    if not (forms or done.tokens):
        raise TokenizerError(
            found=f"word {words[0]!r}, which is token {existing_id(file, words[0])} already, without a space before it",
            expected="a word that the tokenizer splits, or one whose form after a space merges can make",
            do="leave it out",
        )
    made = with_added(file, forms, FLAGS, {})
    tokens = tuple(
        NewToken(
            id=file.size + place, token=form, bytes=form.encode(), pieces=tuple(ids), merge=None, count=1, saved=0,
            score=0.0, notes=(ADDED,),
        )
        for place, (form, ids) in enumerate(zip(forms, base.encode(forms), strict=True))
    )  # fmt: skip
    note = f"{', '.join(words)}: added tokens, found before text is split, where no letter or digit touches them"
    whole = {**done.whole, **{form: made.ids[form] for form in forms}}
    return Words(made, (*done.tokens, *tokens), whole, done.merged, (*done.notes, note))


FLAGS = {"single_word": True, "lstrip": False, "rstrip": False, "normalized": False, "special": False}

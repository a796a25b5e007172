"""What must hold for the tokenizer itself, after it was saved and loaded again."""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence

from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.families import Family, Unsupported, family_of, recognise
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.fuzz import fuzz_texts
from tokengraft.tokenizer.promises import CheckResult, verdict
from tokengraft.tokenizer.tokens import NewToken

IDS_STAY = "old ids stay after reload"
ADDED_STAY = "added tokens stay"
CONTIGUOUS = "no id twice, none free"
REACHABLE = "every new token is reachable"
PIECES = "pieces spell their token"
AGAIN = "same ids after save, reload and save again"
TEXTS = 200
"""Texts drawn for the check of saved ids."""
LATER = "a later added token gets a fresh id"


def ids_stay(extended: ExtendedTokenizer, reloaded: TokenizerFile) -> CheckResult:
    """Old ids, special ones among them, as the tokenizers library itself numbers them after a reload."""
    old = extended.base.tokenizer.get_vocab(with_added_tokens=True)
    new = reloaded.tokenizer.get_vocab(with_added_tokens=True)
    moved = [f"{token!r}: {number} → {new.get(token)}" for token, number in old.items() if new.get(token) != number]
    return verdict(IDS_STAY, moved, f"{len(moved)} of {len(old)} old ids moved")


def added_tokens_stay(extended: ExtendedTokenizer, reloaded: TokenizerFile) -> CheckResult:
    """Added tokens with their flags, and what goes before and after a text."""
    old, new = (
        {number: repr(token) for number, token in file.tokenizer.get_added_tokens_decoder().items()}
        for file in (extended.base, reloaded)
    )
    changed = [
        f"{number}: {old.get(number)} → {new.get(number)}"
        for number in old | new
        if number < extended.base_size and old.get(number) != new.get(number)
    ]
    around = [(file.prefix_ids(), file.suffix_ids()) for file in (extended.base, reloaded)]
    if around[0] != around[1]:
        changed.append(f"ids before and after a text: {around[0]} → {around[1]}")
    return verdict(ADDED_STAY, changed, f"{len(changed)} differences, {len(old)} added tokens")


def ids_are_contiguous(extended: ExtendedTokenizer, reloaded: TokenizerFile) -> CheckResult:
    """Every id from 0 to the last belongs to exactly one token."""
    owners = Counter(reloaded.tokenizer.get_vocab(with_added_tokens=True).values())
    wrong = [
        f"id {number}: {owners[number]} tokens" for number in {*owners, *range(extended.size)} if owners[number] != 1
    ]
    outside = [f"id {number}" for number in owners if number >= extended.size]
    return verdict(CONTIGUOUS, wrong + outside, f"{owners.total()} tokens on ids 0 to {extended.size - 1}")


def later_token_is_fresh(extended: ExtendedTokenizer, reloaded: TokenizerFile) -> CheckResult:
    """A token that somebody adds later does not land on an id in use; it stays in `reloaded`, so this comes last."""
    name = "<|a later token|>"
    reloaded.tokenizer.add_special_tokens([name])
    number = reloaded.tokenizer.token_to_id(name)
    wrong = [] if number == extended.size else [f"id {number}"]
    return verdict(LATER, wrong, f"id {number} after {extended.size} tokens")


def tokens_are_reachable(extended: ExtendedTokenizer, reloaded: TokenizerFile) -> CheckResult:
    """Each new token's spelling encodes as that token, by the merges alone; decoding cannot tell for partial UTF-8.

    Those that no merge makes are looked for in their text by the whole tokenizer.
    """
    family = recognise(reloaded)
    if isinstance(family, Unsupported):
        return verdict(
            REACHABLE, [family.reason], f"the result is a {family.name} tokenizer that cannot be extended again"
        )
    encoded = _encoded(family, reloaded, extended.new_tokens)
    lost = [
        f"{token.token!r} encodes as {ids}"
        for token, ids in zip(extended.new_tokens, encoded, strict=True)
        if ids != [token.id]
    ]
    return verdict(REACHABLE, lost, f"{len(lost)} of {len(encoded)} new tokens unreachable")


def _encoded(family: Family, file: TokenizerFile, tokens: Sequence[NewToken]) -> list[list[int]]:
    """Ids of each token's spelling by the model alone, or of its text where the model alone does not make it."""
    inside = iter(family.encode_entries([token.token for token in tokens if not token.outside_merges]))
    outside = iter(file.encode([token.text for token in tokens if token.outside_merges]))
    return [next(outside) if token.outside_merges else next(inside) for token in tokens]


def pieces_spell_tokens(extended: ExtendedTokenizer, reloaded: TokenizerFile) -> CheckResult:
    """The pieces of each new token are the base's own encoding of it, and have its bytes."""
    encoded = _encoded(family_of(extended.base), extended.base, extended.new_tokens)
    wrong = [
        f"{token.token!r}: {list(token.pieces)}, the base says {ids}"
        for token, ids in zip(extended.new_tokens, encoded, strict=True)
        if ids != list(token.pieces) or b"".join(map(extended.base.token_bytes, ids)) != reloaded.token_bytes(token.id)
    ]
    return verdict(PIECES, wrong, f"{len(wrong)} of {len(encoded)} new tokens wrong")


def same_ids_again(extended: ExtendedTokenizer, reloaded: TokenizerFile) -> CheckResult:
    """Texts encode alike before saving, after a reload, and after another save and reload."""
    texts = list(fuzz_texts(extended, [token.text for token in extended.new_tokens], TEXTS, 0))
    expected = extended.encode(texts)
    with tempfile.TemporaryDirectory() as folder:
        reloaded.save(folder)
        again = TokenizerFile.load(folder)
        found = {"after a reload": reloaded.encode(texts), "after another": again.encode(texts)}
    wrong = [
        f"{text[:60]!r} {when}"
        for when, encoded in found.items()
        for text, ids, other in zip(texts, expected, encoded, strict=True)
        if ids != other
    ]
    return verdict(AGAIN, wrong, f"{len(wrong)} of {2 * len(texts)} texts differ, over two saves and reloads")


FILE_PROMISES: dict[str, Callable[[ExtendedTokenizer, TokenizerFile], CheckResult]] = {
    IDS_STAY: ids_stay,
    ADDED_STAY: added_tokens_stay,
    CONTIGUOUS: ids_are_contiguous,
    REACHABLE: tokens_are_reachable,
    PIECES: pieces_spell_tokens,
    AGAIN: same_ids_again,
    LATER: later_token_is_fresh,
}

"""What is refused before anything is touched: tokens that exist, cannot be found in text, or take another's role."""

import unicodedata
from collections.abc import Collection, Sequence

from tokengraft.errors import TokenizerError
from tokengraft.special.request import ROLES, SpecialToken
from tokengraft.tokenizer import TokenizerFile
from tokengraft.tokenizer.declared import content_of

INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Unicode categories of characters that nobody sees: text loses them on its way."""


def vet(file: TokenizerFile, tokens: Sequence[SpecialToken], replace: Collection[str] = ()) -> None:
    """Returns where every token can be added to the tokenizer, and no role is taken but those in `replace`.

    Raises:
        TokenizerError: the first token that cannot be, with the reason.
    """
    for token in tokens:
        refuse_text(file, token.content)
        _refuse_existing(file, token.content)
    _refuse_roles(file, tokens, replace)


def refuse_text(file: TokenizerFile, content: str, *, spaces: bool = False) -> None:
    """Returns where `content` is a text that can be found in text; spaces inside only where `spaces` says so.

    Raises:
        TokenizerError: it is empty, holds whitespace, is no Unicode text, or disappears in normalisation.
    """
    if not content:
        _refuse("an empty token", "a token of at least one character")
    if any(unicodedata.category(character) == "Cs" for character in content):
        _refuse(f"token {content!r} with half a surrogate pair", "Unicode text")
    if any(character.isspace() for character in content) and not spaces:
        _refuse(f"token {content!r} with whitespace in it", "a token without whitespace, which text often loses")
    if all(unicodedata.category(character) in INVISIBLE or character.isspace() for character in content):
        _refuse(f"token {content!r} of invisible characters", "a token that can be seen")
    normaliser = file.tokenizer.normalizer
    if normaliser is not None and not normaliser.normalize_str(content).strip(" ▁"):
        _refuse(f"token {content!r}, of which the tokenizer's normaliser leaves nothing", "a token that stays")


def holder_of(file: TokenizerFile, role: str) -> str | None:
    """The token that has a role now, as tokenizer_config.json or special_tokens_map.json names it."""
    return content_of(file.config.get(f"{role}_token") or file._special_tokens_map.get(f"{role}_token"))


def existing_id(file: TokenizerFile, content: str) -> int | None:
    """The id of the one token that `content` already is."""
    if content in file.ids:
        return file.ids[content]
    spelled = file.ids.get(content.replace(" ", "▁"))  # SentencePiece's space
    if spelled is not None and file.token_bytes(spelled) == content.encode("utf-8", "replace"):
        return spelled
    [ids] = file.encode([content])
    whole = len(ids) == 1 and file.token_bytes(ids[0]).strip() == content.strip().encode("utf-8", "replace")
    return ids[0] if whole else None


def _refuse_existing(file: TokenizerFile, content: str) -> None:
    alone, after_space = existing_id(file, content), existing_id(file, " " + content)
    number = after_space if alone is None else alone
    if number is None:
        return
    added = {token["id"]: token for token in file.added_tokens}
    kind = "special" if added.get(number, {}).get("special") else "added" if number in added else "ordinary"
    _refuse(
        f"token {content!r}, which is {kind} token {number} already",
        "a token that the tokenizer does not have",
        "use it as it is, or choose another name",
    )


def _refuse_roles(file: TokenizerFile, tokens: Sequence[SpecialToken], replace: Collection[str]) -> None:
    for role in ROLES[:-1]:
        asked = [token.content for token in tokens if token.role == role]
        if len(asked) > 1:
            _refuse(f"{' and '.join(map(repr, asked))} for the role {role}", "one token a role", "drop one")
        holder = holder_of(file, role)
        taken = holder in file.ids  # a name that stands for no token leaves the role free
        if asked and taken and role not in replace and not shared(file, role):
            _refuse(
                f"role {role} for {asked[0]!r}, which {holder!r} has",
                "a role that is free",
                f"keep {holder!r}, give {asked[0]!r} the role additional, or allow it: --replace {role}",
            )


def shared(file: TokenizerFile, role: str) -> bool:
    """Whether the role's token has another role too, as where pad is eos: then it may get one of its own."""
    holder = holder_of(file, role)
    return role == "pad" and any(holder == holder_of(file, other) for other in ROLES[:-1] if other != role)


def _refuse(found: str, expected: str, do: str = "choose another token") -> None:
    raise TokenizerError(found=found, expected=expected, do=do)

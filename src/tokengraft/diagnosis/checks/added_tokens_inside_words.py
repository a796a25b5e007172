"""Added tokens that fire where they should not."""

import shlex
from collections.abc import Iterator

from tokenizers import Tokenizer

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import KEPT, Finding, info, listed, warning
from tokengraft.diagnosis.remedies import NAMED
from tokengraft.tokenizer.file import TokenizerFile

LETTERS = 2
"""Shorter ones are characters that a tokenizer was given, and are meant to fire anywhere."""


@check("added-tokens-inside-words", needs=("tokenizer",), symptom="words are split in a new way; text gets longer")
def added_tokens_inside_words(case: Case) -> Iterator[Finding]:
    """Added tokens of letters that match inside longer words, and so split words that were whole."""
    assert case.vocabulary
    words = [
        token["content"]
        for token in case.vocabulary.file.added_tokens
        if _is_word(token["content"]) and not token.get("single_word") and not token.get("special")
    ]
    if not words:
        return
    hits = _split_words(case, words)
    longer = {word: pair for word, pair in hits.items() if pair[1] > pair[0]}
    say = warning if hits else info
    shown = [f"{word!r} {before} → {after} tokens" for word, (before, after) in (longer or hits).items()]
    yield say(
        f"{len(words)} added tokens are words or parts of words ({listed([repr(word) for word in words], 4)})"
        + (
            f"; {len(hits)} words of the vocabulary hold one, {len(longer)} of them get longer: {listed(shown, 4)}"
            if hits
            else ""
        ),
        "Added tokens are cut out of the text before anything else, inside words too, and take no leading space.",
        "begin again from the model without them, with words that merges make whole: tokengraft special BASE "
        + " ".join(f"--word {shlex.quote(word.strip())}" for word in words[:NAMED])
        + " …" * (len(words) > NAMED)
        + " --out NEW; or add them as AddedToken(word, single_word=True)",
        tokens=words[:KEPT],
        words={word: list(pair) for word, pair in list(hits.items())[:KEPT]},
        longer=len(longer),
    )


def _is_word(token: str) -> bool:
    text = token.strip().replace("_", "")
    return len(text) > LETTERS and text.isalnum()


def _split_words(case: Case, words: list[str]) -> dict[str, tuple[int, int]]:
    """By word of the vocabulary that holds an added token inside: its tokens without and with the added ones."""
    assert case.vocabulary
    file = case.vocabulary.file
    plain = _without(file, set(words))
    entries = (entry.lstrip("Ġ▁") for entry in file.vocabulary)
    texts = [text for text in dict.fromkeys(entries) if text.isalpha() and any(w in text and w != text for w in words)]
    before = [len(encoding.ids) for encoding in plain.encode_batch_fast(texts, add_special_tokens=False)]
    after = [len(ids) for ids in file.encode(texts)]
    return {text: pair for text, *pair in zip(texts, before, after, strict=True) if pair[0] != pair[1]}  # type: ignore[misc]


def _without(file: TokenizerFile, words: set[str]) -> Tokenizer:
    kept = [token for token in file.added_tokens if token["content"] not in words]
    return TokenizerFile({**file.document, "added_tokens": kept}).tokenizer

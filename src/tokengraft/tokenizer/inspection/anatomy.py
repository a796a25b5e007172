"""Which algorithm and pipeline a tokenizer is, in the words of somebody who has to explain it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokengraft.tokenizer.families import Unsupported, recognise
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.spelling import components

_ALGORITHMS = {
    "byte-level BPE": "Byte pair encoding on bytes: text is cut by a pattern, each piece starts as its bytes, and "
    "neighbours are joined by a fixed list of rules, the earliest rule first.",
    "SentencePiece BPE": "Byte pair encoding on characters: a space becomes ▁, neighbours are joined by a fixed list "
    "of rules, the earliest first, and a character without an entry is written as its bytes.",
    "Unigram": "Unigram: every entry has a score, and a word is cut so that the sum of its pieces' scores is largest.",
    "WordPiece": "WordPiece: from the left, the longest entry that fits; inside a word entries carry a mark (##).",
    "WordLevel": "A plain list of words: each is one token, and everything else is unknown.",
    "character BPE": "Byte pair encoding on characters of a fixed alphabet.",
}
_ORIGINS = {
    "BPE": "Its makers learned the {rules} rules from their training text, the most frequent pair first, so low ids "
    "are frequent there; the file does not say which text that was.",
    "Unigram": "Its makers started from many candidates and kept the {size} that explain their training text best; the "
    "file does not say which text that was.",
    "WordPiece": "Its makers chose {size} word pieces from their training text; the file does not say which.",
    "WordLevel": "It is a list of {size} words.",
}


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The parts of a tokenizer."""

    name: str
    family: str
    algorithm: str
    """In a sentence."""
    origin: str
    """Where the vocabulary came from, as far as the file tells."""
    unknown: str
    """Whether unknown words can occur."""
    extendable: str
    """`yes`, or the reason why not."""
    size: int
    """Highest id + 1."""
    entries: int
    """Entries of the model's vocabulary."""
    rules: int
    """Merges; 0 for other models."""
    added: int
    """Tokens that are found in the text before anything else."""
    special: tuple[str, ...]
    """Those of them that are special."""
    normalizer: tuple[str, ...]
    pre_tokenizer: tuple[str, ...]
    decoder: tuple[str, ...]
    around: tuple[str, ...]
    """Tokens that are put before and after a text; `…` stands for the text."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def anatomy(file: TokenizerFile) -> Anatomy:
    """The parts of any tokenizer, also of one that cannot be extended."""
    family = recognise(file)
    model = file.document["model"]
    kind = str(model.get("type") or ("BPE" if "merges" in model else family.name))
    rules = len(model.get("merges") or ())
    origin = _ORIGINS.get(kind, "The file does not say.").format(rules=rules, size=len(file.vocabulary))
    return Anatomy(
        name=file.name,
        family=family.name,
        algorithm=_ALGORITHMS.get(family.name, f"A model of the kind {kind}."),
        origin=origin,
        unknown=_unknown(file, family.name),
        extendable=family.reason if isinstance(family, Unsupported) else "yes",
        size=file.size,
        entries=len(file.vocabulary),
        rules=rules,
        added=len(file.added_tokens),
        special=tuple(token["content"] for token in file.added_tokens if token.get("special")),
        normalizer=_steps(file, "normalizer"),
        pre_tokenizer=_steps(file, "pre_tokenizer"),
        decoder=tuple(str(step["type"]) for step in components(file.document.get("decoder"))),
        around=_around(file),
    )


def _unknown(file: TokenizerFile, family: str) -> str:
    model = file.document["model"]
    if family == "byte-level BPE" or model.get("byte_fallback"):
        return "No: every text can be written in bytes, and each byte has an entry."
    unknown = model.get("unk_token")
    if unknown is None and model.get("unk_id") is not None:
        unknown = file.tokens[model["unk_id"]]
    if unknown is None:
        return "Yes, and there is no token for it: characters outside the vocabulary are dropped."
    return f"Yes: what the vocabulary cannot spell becomes {unknown}, and is lost."


def _steps(file: TokenizerFile, part: str) -> tuple[str, ...]:
    return tuple(_step(step) for step in components(file.document.get(part)))


def _step(step: Mapping[str, Any]) -> str:
    """A step with the settings that change what it does."""
    pattern = step.get("pattern")
    shown = [str(next(iter(pattern.values())))] if isinstance(pattern, Mapping) else []
    shown += [str(step[name]) for name in ("content", "prepend", "replacement", "behavior") if name in step]
    shown += [name for name in ("add_prefix_space", "individual_digits", "use_regex") if step.get(name)]
    return f"{step['type']}({', '.join(shown)})" if shown else str(step["type"])


def _around(file: TokenizerFile) -> tuple[str, ...]:
    def names(ids: Sequence[int]) -> list[str]:
        return [str(file.tokens[number]) for number in ids]

    before, after = names(file.prefix_ids()), names(file.suffix_ids())
    return (*before, "…", *after) if before or after else ()

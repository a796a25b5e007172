"""A `tokenizer.json` as a value, with the small files that stand beside it."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from tokenizers import Tokenizer

from tokengraft import atomic
from tokengraft.errors import TokenizerError
from tokengraft.tokenizer.consistency import check_consistent, vocabulary_of
from tokengraft.tokenizer.declared import content_of, with_declared
from tokengraft.tokenizer.sources import CONFIG, DOCUMENT, read_tokenizer
from tokengraft.tokenizer.spelling import spelling_of

SPECIAL_TOKENS_MAP = "special_tokens_map.json"


@dataclass(frozen=True)
class TokenizerFile:
    """One tokenizer, never changed: `document` and `config` are read, and whoever wants another makes a new value.

    >>> from tokenizers import Tokenizer, models
    >>> small = TokenizerFile.load(Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")])))
    >>> small.size, small.encode(["aba"]), small.token_bytes(2)
    (3, [[2, 0]], b'ab')
    """

    document: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    """`tokenizer_config.json`; empty where there is none."""
    companions: Mapping[str, str] = field(default_factory=dict)
    """Text of the other files of a tokenizer folder (special tokens, chat templates) by relative path."""
    binaries: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """A `.model` of SentencePiece, by its name in the folder."""
    name: str = field(default="a tokenizer in memory", compare=False)
    """What messages call it: the path, hub id or name that it was loaded from."""

    @classmethod
    def load(cls, source: Any) -> "TokenizerFile":
        """The tokenizer at `source`: a folder, a file, a hub id, or a loaded `tokenizers` or Hugging Face fast
        tokenizer.

        Added tokens that only `tokenizer_config.json` declares are part of it.

        Raises:
            TokenizerError: it is missing, slow only, not well formed, or contradicts itself.
        """
        if isinstance(source, TokenizerFile):
            return source
        raw = read_tokenizer(source)
        check_consistent(raw.document, raw.name)
        document = with_declared(raw.document, raw.config)
        if document is not raw.document:
            check_consistent(document, raw.name)
        return cls(document, raw.config, raw.companions, raw.binaries, raw.name)

    def replaced(
        self, document: dict[str, Any], config: dict[str, Any], binaries: Mapping[str, bytes] | None = None
    ) -> "TokenizerFile":
        """The same tokenizer folder with another document and configuration; a `.model` that fits the old one goes."""
        return dataclasses.replace(self, document=document, config=config, binaries=binaries or {})

    def save(self, folder: str | Path) -> None:
        """Writes a folder that `AutoTokenizer`, `tokenizers` and `TokenizerFile.load` read.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        root = Path(folder)
        for path, text in self.companions.items():
            atomic.write_text(root / path, text)
        for path, data in self.binaries.items():
            atomic.write_bytes(root / path, data)
        if self.config:
            atomic.write_text(root / CONFIG, json.dumps(self.config, ensure_ascii=False, indent=2) + "\n")
        atomic.write_text(root / DOCUMENT, json.dumps(self.document, ensure_ascii=False, indent=2))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer itself, without truncation or padding, which some files carry along.

        Raises:
            TokenizerError: the tokenizers library cannot build it.
        """
        plain = {**self.document, "truncation": None, "padding": None}
        try:
            return Tokenizer.from_str(json.dumps(plain, ensure_ascii=False))
        except Exception as error:  # the library raises nothing narrower
            raise TokenizerError(
                found=f"{self.name}: {error}",
                expected="a tokenizer.json that the installed tokenizers library reads",
                do="upgrade tokenizers, or save the tokenizer again with it",
            ) from error

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Id of every entry of the model; added tokens may stand outside it."""
        return vocabulary_of(self.document)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Id of every entry, added tokens included."""
        return self.vocabulary | {token["content"]: token["id"] for token in self.added_tokens}

    @cached_property
    def tokens(self) -> list[str | None]:
        """Entry of every id; None where an id is not in use."""
        entries: list[str | None] = [None] * self.size
        for entry, number in self.ids.items():
            entries[number] = entry
        return entries

    @property
    def added_tokens(self) -> list[dict[str, Any]]:
        """Tokens that are found in the text before anything else happens, as the file gives them."""
        return self.document.get("added_tokens") or []

    @cached_property
    def size(self) -> int:
        """Highest id + 1: the rows that a model's table needs at least."""
        return max(self.ids.values(), default=-1) + 1

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides the encoding."""
        parts = {name: self.document.get(name) for name in ("added_tokens", "normalizer", "pre_tokenizer", "model")}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def bos_id(self) -> int | None:
        """Id of the begin token that the configuration names; None where it names none."""
        return self._special_id("bos_token")

    @property
    def eos_id(self) -> int | None:
        """Id of the end token that the configuration names; None where it names none."""
        return self._special_id("eos_token")

    def _special_id(self, which: str) -> int | None:
        token = content_of(self.config.get(which) or self._special_tokens_map.get(which))
        return self.ids.get(token) if token is not None else None

    @cached_property
    def _special_tokens_map(self) -> dict[str, Any]:
        return json.loads(self.companions.get(SPECIAL_TOKENS_MAP, "{}"))

    def prefix_ids(self) -> list[int]:
        """Ids that the post-processor puts before a text, such as BOS."""
        return self._around_text[0]

    def suffix_ids(self) -> list[int]:
        """Ids that the post-processor puts after a text, such as EOS."""
        return self._around_text[1]

    @cached_property
    def _around_text(self) -> tuple[list[int], list[int]]:
        encoding = self.tokenizer.encode("a", add_special_tokens=True)
        own = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
        if not own:
            return encoding.ids, []
        return encoding.ids[: own[0]], encoding.ids[own[-1] + 1 :]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without BOS or EOS, on all cores that tokenizers may use."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of `ids`, special tokens included."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=False)

    def token_bytes(self, number: int) -> bytes:
        """Bytes of text that an id stands for: an added token's own UTF-8, else by the tokenizer's spelling.

        Raises:
            TokenizerError: no entry has that id.
        """
        token = self.tokens[number] if 0 <= number < self.size else None
        if token is None:
            raise TokenizerError(
                found=f"id {number}",
                expected=f"an id in use below {self.size}",
                do=f"check that {self.name} made these ids",
            )
        return token.encode("utf-8") if number in self._added_ids else self._spelling(token)

    def lengths_of(self, ids: Int[np.ndarray, " tokens"]) -> Int[np.ndarray, " tokens"]:
        """Bytes of text that each id stands for, all at once.

        Raises:
            TokenizerError: no entry has one of these ids.
        """
        table = self._lengths
        if len(ids) and (ids.min() < 0 or ids.max() >= len(table)):
            self.token_bytes(int(ids.max() if ids.max() >= len(table) else ids.min()))
        lengths = table[ids]
        if len(ids) and lengths.min() < 0:
            self.token_bytes(int(ids[lengths.argmin()]))
        return lengths

    @cached_property
    def _lengths(self) -> Int[np.ndarray, " size"]:
        """Bytes of each id; -1 where it is not in use."""
        used = ((-1 if entry is None else len(self.token_bytes(number))) for number, entry in enumerate(self.tokens))
        return np.fromiter(used, np.int64, self.size)

    def entry_bytes(self, entry: str) -> bytes:
        """Bytes of text that an entry of the model stands for, be it in the vocabulary or not."""
        return self._spelling(entry)

    @cached_property
    def _added_ids(self) -> frozenset[int]:
        return frozenset(token["id"] for token in self.added_tokens)

    @cached_property
    def _spelling(self) -> Any:
        return spelling_of(self.document)

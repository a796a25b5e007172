"""A base tokenizer with its new tokens, as one value that can be saved and loaded."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokengraft import atomic
from tokengraft.errors import TokenizerError
from tokengraft.tokenizer.ceiling import Ceiling
from tokengraft.tokenizer.decomposition import Decomposition
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.promises import CheckResult
from tokengraft.tokenizer.tokens import NewToken, Reject, steps

NO_MORE = "the corpus holds no further pair that occurs often enough"
"""Why fewer tokens came than were asked for, mostly."""

RECORD = "tokengraft.json"
"""Stands beside a saved tokenizer: what is new in it, and in which tokenizer."""

FORMAT = 1


@dataclass(frozen=True)
class ExtendedTokenizer:
    """`base` and `file`, which differ by `new_tokens` alone. New ids are [base_size, size), in the order of merging."""

    base: TokenizerFile
    file: TokenizerFile
    new_tokens: tuple[NewToken, ...]
    method: str
    family: str
    asked: int
    """How many tokens were asked for; fewer came where the corpus holds no more."""
    ceiling: Ceiling
    """What the split pattern lets any extension save on the text that the tokens were chosen from."""
    rejects: tuple[Reject, ...] = ()
    """The best candidates that were not taken."""
    checks: tuple[CheckResult, ...] = ()
    """Every promise with its outcome, as it was tried when the tokens were chosen."""
    stopped: str = NO_MORE
    """Why no further tokens came, where fewer came than were asked for."""

    @property
    def base_size(self) -> int:
        """Ids below this are the base's."""
        return self.base.size

    @property
    def size(self) -> int:
        """Highest id + 1."""
        return self.base_size + len(self.new_tokens)

    @property
    def shortfall(self) -> str | None:
        """A sentence where fewer tokens came than were asked for; None where all came."""
        given = len(self.new_tokens)
        if given == self.asked:
            return None
        return f"{given} of {self.asked} tokens: {self.stopped}"

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without BOS or EOS."""
        return self.file.encode(texts)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of `ids`, special tokens included."""
        return self.file.decode(ids)

    @cached_property
    def decomposition(self) -> Decomposition:
        """D(t): the base ids of every id."""
        return Decomposition.from_pieces(self.base_size, [token.pieces for token in self.new_tokens])

    @cached_property
    def steps(self) -> dict[int, int]:
        """For each intermediate token, by id, the id of the token that it is a step to.

        Hardly any text reads these rows, so they may keep the start that the initialiser gives them.
        """
        return {number: token.id for number, token in steps(self.new_tokens).items()}

    def described(self) -> Iterator[dict[str, Any]]:
        """Each new token as plain values, with its uses, and what an intermediate one is a step to."""
        for token in self.new_tokens:
            yield {**token.to_dict(), "uses": token.uses, "step_to": self.steps.get(token.id)}

    def save(self, folder: str | Path) -> None:
        """Writes a folder that `AutoTokenizer`, `tokenizers` and `ExtendedTokenizer.load` read.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        self.file.save(folder)
        atomic.write_json(Path(folder) / RECORD, self.record())

    def record(self) -> dict[str, Any]:
        """What is new, as plain values: the content of `tokengraft.json`."""
        return {
            "format": FORMAT,
            "method": self.method,
            "family": self.family,
            "asked": self.asked,
            "stopped": self.stopped,
            "base_size": self.base_size,
            "base_sha256": self.base.fingerprint,
            "sha256": self.file.fingerprint,
            "ceiling": {"tokens": self.ceiling.tokens, "least": self.ceiling.least},
            "new_tokens": list(self.described()),
            "rejects": [reject.to_dict() for reject in self.rejects],
            "checks": [check.to_dict() for check in self.checks],
        }

    @classmethod
    def load(cls, folder: str | Path, base: Any) -> "ExtendedTokenizer":
        """The extension that `save` wrote, together with the tokenizer that it extends.

        Raises:
            TokenizerError: the folder holds no extension, one that was changed since, or one of another base.
        """
        path = Path(folder) / RECORD
        if not path.is_file():
            raise TokenizerError(
                found=f"{folder} without {RECORD}",
                expected="a tokenizer that was extended and saved by tokengraft",
                do="check the path, or extend the tokenizer anew",
            )
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            extension = cls._of_record(record, TokenizerFile.load(base), TokenizerFile.load(folder))
        except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise TokenizerError(
                found=f"{path}: {error!r}", expected=f"the record that format {FORMAT} writes", do="extend anew"
            ) from error
        extension._check_prints(record, str(folder))
        return extension

    @classmethod
    def _of_record(cls, record: dict[str, Any], base: TokenizerFile, file: TokenizerFile) -> "ExtendedTokenizer":
        return cls(
            base=base,
            file=file,
            new_tokens=tuple(map(NewToken.from_dict, record["new_tokens"])),
            method=record["method"],
            family=record["family"],
            asked=record["asked"],
            stopped=record.get("stopped", NO_MORE),
            ceiling=Ceiling(**record["ceiling"]),
            rejects=tuple(map(Reject.from_dict, record["rejects"])),
            checks=tuple(map(CheckResult.from_dict, record["checks"])),
        )

    def _check_prints(self, record: dict[str, Any], folder: str) -> None:
        pairs = {self.base.name: (self.base, "base_sha256"), folder: (self.file, "sha256")}
        for name, (file, key) in pairs.items():
            if file.fingerprint != record.get(key):
                raise TokenizerError(
                    found=f"{name}, which is not the tokenizer that {folder}/{RECORD} was written with",
                    expected="base and extension as they were",
                    do="pass the base that was extended, or extend anew",
                )

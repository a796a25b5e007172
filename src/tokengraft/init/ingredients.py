"""What some methods need beside the table: a corpus, a donor model, words for a token. Asked for before work starts."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.config import InitConfig
from tokengraft.errors import ConfigError
from tokengraft.model.checks import check_model
from tokengraft.model.load import load_model
from tokengraft.model.tables import find_tables
from tokengraft.settings_file import read_settings
from tokengraft.tokenizer import TokenizerFile

Encode = Callable[[Sequence[str]], list[list[int]]]
"""Texts → ids of each, without BOS or EOS."""

REMEDIES = {
    "corpus": "give a corpus: --corpus, or corpus=… in Python",
    "donor": "name a model that knows such tokens: init.donor, or donor=… in Python",
    "names": "write a YAML file of `token: [similar words]` and name it in init.names, or names={…} in Python",
    "descriptions": "write a YAML file of `token: description` and name it in init.descriptions, "
    "or descriptions={…} in Python",
    "states": "use it in a run with a corpus: expand, graft or compare",
    "fit": "use it for the head, in a run with a corpus: expand, graft or compare",
    "probe": "use it in a run with a corpus: expand, graft or compare",
    "gensim": "pip install 'tokengraft[focus]'",
}
"""What to do where an ingredient is missing."""


@dataclass(frozen=True)
class Donor:
    """Tables of another model and its tokenizer, from which rows are carried over."""

    tokenizer: Any
    tables: Mapping[str, Float[Tensor, "donor e"]]
    """In float32, by `inputs` and `head`."""

    @classmethod
    def load(cls, name: str) -> "Donor":
        """The model of that folder or hub id.

        Raises:
            ModelError: it cannot be loaded.
            TokenizerError: it has no tokenizer that can be read.
        """
        tokenizer = TokenizerFile.load(name)
        tables = find_tables(load_model(name, device="cpu"))
        size = min(tokenizer.size, tables.rows)
        halves = {"inputs": tables.input_weight, "head": tables.head_weight}
        return cls(tokenizer, {half: table[:size].detach().float() for half, table in halves.items()})

    @cached_property
    def ids(self) -> dict[bytes, int]:
        """Id of each token by its bytes, the lowest where two are the same."""
        found: dict[bytes, int] = {}
        for number in range(len(self.tables["inputs"])):
            if self.tokenizer.tokens[number] is not None:
                found.setdefault(self.tokenizer.token_bytes(number), number)
        return found

    def rows(self, table: str, spelled: Iterable[bytes]) -> Float[Tensor, "tokens e"]:
        """Its rows for tokens of these bytes: its own where it has the token, else the mean of its pieces."""
        source = self.tables[table]

        def row(data: bytes) -> Float[Tensor, " e"]:
            own = self.ids.get(data)
            if own is not None:
                return source[own]
            [ids] = self.tokenizer.encode([data.decode("utf-8", errors="replace")])
            return source[[number for number in ids if number < len(source)] or [0]].mean(0)

        return torch.stack([row(data) for data in spelled])


@dataclass(frozen=True)
class Ingredients:
    """Everything a method may ask for; None: not there."""

    encode_base: Encode | None = None
    encode: Encode | None = None
    """By the extended tokenizer."""
    widths: Callable[[int], int] | None = None
    """Bytes of text of an id, old or new."""
    corpus: Callable[[], Sequence[str]] | None = None
    donor: Callable[[], Donor] | None = None
    names: Mapping[str, Sequence[str]] | None = None
    """Similar words of a token, by the token's text."""
    descriptions: Mapping[str, str] | None = None
    states: Callable[[], Float[Tensor, "positions d"]] | None = None
    """A sample of what the head reads: hidden states of the base on the corpus."""
    fit: Callable[[Float[Tensor, "new d"]], Float[Tensor, "new d"]] | None = None
    """The head's rows fitted by cross-entropy on cached hidden states, from a start."""
    probe: Callable[[str], str] | None = None
    """`inputs` or `head` → the method that did best in a few dozen steps of distillation."""
    settings: InitConfig = field(default_factory=InitConfig)

    def lacks(self, need: str) -> bool:
        """Whether an ingredient of that name is missing."""
        return find_spec(need) is None if need == "gensim" else getattr(self, need) is None


def refuse_missing(method: str, setting: str, missing: str) -> None:
    """Raises the error that says which ingredient a method lacks."""
    raise ConfigError(
        found=f"init.{setting} = {method} without {missing}",
        expected=f"the {missing} that {method} is made from",
        do=REMEDIES[missing],
    )


def words_of(path: str, setting: str) -> dict[str, Any]:
    """What the file of `init.names` or `init.descriptions` says of each token.

    Raises:
        ConfigError: the file is missing, not well formed, or says nothing.
    """
    found = read_settings(Path(os.path.expanduser(path)))
    kinds = {"names": list, "descriptions": str}
    if not found or not all(isinstance(value, kinds[setting]) for value in found.values()):
        raise ConfigError(
            found=f"{path}, which is not a mapping of tokens to {setting}",
            expected="a line for each token: `token: [word, …]` for names, `token: text` for descriptions",
            do=f"change init.{setting}",
        )
    return {str(token): value for token, value in found.items()}


def check_given(settings: InitConfig) -> None:
    """Returns where the files and the donor that the settings name can be read.

    Raises:
        TokengraftError: one cannot.
    """
    for setting in ("names", "descriptions"):
        path = getattr(settings, setting)
        if path is not None:
            words_of(path, setting)
    if settings.donor is not None:
        check_model(settings.donor)
        TokenizerFile.load(settings.donor)

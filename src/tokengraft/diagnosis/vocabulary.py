"""A tokenizer as the checks read it: its files as they are, faults included, and the roles of its tokens."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokengraft.tokenizer.declared import content_of, with_declared
from tokengraft.tokenizer.file import SPECIAL_TOKENS_MAP, TokenizerFile
from tokengraft.tokenizer.sources import read_tokenizer

ROLES = ("bos_token", "eos_token", "pad_token", "unk_token")
LISTS = ("additional_special_tokens", "extra_special_tokens")
CONTROL = re.compile(r"<\|[^|<>\s]{1,40}\|>|<(?:start|end)_of_\w+>|</?s>")
"""What chat templates write for control tokens. `[INST]` and `### User:` are ordinary text in many healthy models."""


@dataclass(frozen=True)
class Vocabulary:
    """One tokenizer."""

    file: TokenizerFile
    folder: Path | None = None
    """Where its files are; None for one in memory."""

    @classmethod
    def read(cls, source: Any) -> "Vocabulary":
        """The tokenizer at a path, on the hub or in memory; its contradictions are left for a check to find.

        Raises:
            TokenizerError: it is missing, slow only, or not well-formed JSON.
        """
        raw = read_tokenizer(source)
        document = with_declared(raw.document, raw.config)
        place = Path(source) if isinstance(source, str | Path) and Path(source).is_dir() else None
        return cls(TokenizerFile(document, raw.config, raw.companions, raw.binaries, raw.name), place)

    @property
    def size(self) -> int:
        """Highest id + 1."""
        return self.file.size

    @cached_property
    def roles(self) -> dict[str, str]:
        """Token of each role that the configuration names."""
        named = {role: content_of(self._declared(role)) for role in ROLES}
        return {role: token for role, token in named.items() if token}

    def id_of(self, role: str) -> int | None:
        """Id of the token in a role; None where there is no such role or no such token."""
        return self.file.ids.get(self.roles[role]) if role in self.roles else None

    @cached_property
    def declared(self) -> list[str]:
        """Every token that the configuration calls special."""
        several = [token for name in LISTS for token in _tokens(self._declared(name))]
        return list(dict.fromkeys([*self.roles.values(), *several]))

    @cached_property
    def padding_side(self) -> str:
        """`right` where nothing is said, which is what transformers takes."""
        return self.file.config.get("padding_side") or "right"

    @cached_property
    def template(self) -> str | None:
        """The chat template; None where there is none."""
        own = self.file.config.get("chat_template")
        if isinstance(own, list):
            own = next((entry["template"] for entry in own if entry.get("name") == "default"), None)
        legacy = json.loads(self.file.companions.get("chat_template.json", "{}")).get("chat_template")
        return self.file.companions.get("chat_template.jinja") or own or legacy

    @cached_property
    def template_tokens(self) -> list[str]:
        """Control tokens that the template writes."""
        return sorted(set(CONTROL.findall(self.template or "")))

    def token(self, number: int) -> str:
        """What an id stands for, readable; `id 7` where it is not in use."""
        entry = self.file.tokens[number] if 0 <= number < self.size else None
        return f"id {number}" if entry is None else entry

    def named(self, ids: "list[int]") -> list[str]:
        """Ids with their tokens, for evidence."""
        return [f"{number} {self.token(number)!r}" for number in ids]

    @cached_property
    def added(self) -> dict[str, int]:
        """Ids of the added tokens."""
        return {token["content"]: token["id"] for token in self.file.added_tokens}

    def encode(self, text: str) -> list[int]:
        """Ids of a text alone."""
        return self.file.encode([text])[0]

    def _declared(self, name: str) -> Any:
        return self.file.config.get(name) or json.loads(self.file.companions.get(SPECIAL_TOKENS_MAP, "{}")).get(name)


def _tokens(value: Any) -> list[str]:
    """Tokens of a list or of a mapping from role to token; both are in use."""
    several = value.values() if isinstance(value, dict) else value or ()
    return [token for token in map(content_of, several) if token]

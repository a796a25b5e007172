"""Conversations written out by a tokenizer's chat template, and the order that the template gives control tokens."""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tokengraft.errors import CorpusError, TokenizerError
from tokengraft.special.chat import TEMPLATE
from tokengraft.special.reload import load_auto
from tokengraft.tokenizer import TokenizerFile

PROBES: tuple[tuple[str, ...], ...] = (
    ("user", "assistant"),
    ("user", "assistant", "user", "assistant"),
    ("system", "user", "assistant"),
    ("system", "user", "assistant", "user", "assistant"),
    ("user",),
)
"""Conversations that a template is tried on; those that it refuses say nothing."""


class Renderer:
    """The chat template of a tokenizer, by transformers."""

    def __init__(self, file: TokenizerFile) -> None:
        self.file = file

    @cached_property
    def _loaded(self) -> Any:
        if not (self.file.companions.get(TEMPLATE) or self.file.config.get("chat_template")):
            raise TokenizerError(
                found=f"conversations, and {self.file.name} without a chat template",
                expected="a template that says how a conversation is written",
                do="add one: tokengraft special MODEL --chat-template chatml, or give texts",
            )
        with tempfile.TemporaryDirectory() as folder:
            self.file.save(folder)
            return load_auto(Path(folder))

    def render(self, messages: Sequence[Mapping[str, Any]], *, prompt: bool = False) -> str:
        """The text of a conversation.

        Raises:
            CorpusError: the template refuses it.
            TokenizerError: there is no template.
        """
        loaded = self._loaded
        try:
            return loaded.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=prompt)
        except Exception as error:  # a template may raise anything
            raise CorpusError(
                found=f"a conversation that the chat template refuses: {error}",
                expected="messages with role and content as the template has them",
                do="mend the conversation, or the template",
            ) from error

    def successions(self, control: Collection[int]) -> set[tuple[int | None, int]]:
        """Which control token the template ever writes after which; None before the first."""
        found: set[tuple[int | None, int]] = set()
        for roles in PROBES:
            messages = [{"role": role, "content": "words"} for role in roles]
            try:
                texts = [self.render(messages), self.render(messages, prompt=True)]
            except CorpusError:
                continue
            for ids in self.file.encode(texts):
                seen = [number for number in ids if number in control]
                found |= set(zip([None, *seen[:-1]], seen, strict=True))
        return found

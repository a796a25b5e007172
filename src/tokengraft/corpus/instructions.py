r"""Questions and answers from JSON Lines: a conversation a record, or a prompt and an answer.

>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     path = Path(folder, "qa.jsonl")
...     _ = path.write_text('{"prompt": "2 + 2?", "answer": "4"}\n')
...     [dialogue.messages for dialogue in read_dialogues(InstructionConfig(str(path)))]
[({'role': 'user', 'content': '2 + 2?'}, {'role': 'assistant', 'content': '4'})]
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tokengraft.config import InstructionConfig
from tokengraft.corpus.formats.jsonl import json_records
from tokengraft.corpus.records import text_of
from tokengraft.errors import CorpusError

USER, ASSISTANT = "user", "assistant"


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One conversation, and where it stands."""

    where: str
    messages: tuple[Mapping[str, str], ...]


def read_dialogues(config: InstructionConfig) -> Iterator[Dialogue]:
    """The conversations of a file, in its order.

    Raises:
        CorpusError: the file cannot be read, a field is missing, or a conversation holds no answer.
    """
    path = os.path.expanduser(config.path)
    found = 0
    for number, record in json_records(path):
        where = f"{config.path}, line {number}"
        yield Dialogue(where, tuple(_messages(record, config, where)))
        found += 1
        if found == config.max_documents:
            return
    if not found:
        raise CorpusError(found=f"0 records in {config.path}", expected="one at least", do="check the path")


def _messages(record: Mapping[str, Any], config: InstructionConfig, where: str) -> Iterator[dict[str, str]]:
    if config.messages_field not in record:
        yield {"role": USER, "content": text_of(record, config.prompt_field, where)}
        yield {"role": ASSISTANT, "content": text_of(record, config.answer_field, where)}
        return
    messages = record[config.messages_field]
    if not isinstance(messages, list) or not all(_is_message(message) for message in messages):
        raise CorpusError(
            found=f"{where}: {config.messages_field!r} that is no list of messages",
            expected='[{"role": "user", "content": "…"}, …]',
            do="mend or remove that line",
        )
    if not any(message["role"] == ASSISTANT for message in messages):
        raise CorpusError(
            found=f"{where}: a conversation without a message of the {ASSISTANT}",
            expected="an answer to learn",
            do="mend or remove that line",
        )
    yield from ({"role": message["role"], "content": message["content"]} for message in messages)


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(name), str) for name in ("role", "content"))

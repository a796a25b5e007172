"""Prompts to answers: what a model is given exactly, and what comes back. Backends differ only in who computes."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tokengraft.errors import ConfigError
from tokengraft.evaluation.code_tasks.problems import Prompt
from tokengraft.registry import Registry

Ended = Literal["end", "stop", "length", "context"]
"""The model ended its answer; a stop sequence did; it became too long; the prompt left no room in the context."""


@dataclass(frozen=True, slots=True)
class Request:
    """One answer that is wanted."""

    task_id: str
    sample: int
    ids: list[int]
    """The prompt as the model reads it."""
    stop: tuple[str, ...]
    room: int
    """Tokens that the answer may have."""
    seed: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote."""

    task_id: str
    sample: int
    text: str
    tokens: int
    prompt_tokens: int
    ended: Ended


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen."""

    temperature: float = 0.0
    top_p: float = 1.0


class Backend(Protocol):
    """Something that answers requests."""

    tokenizer: Any
    context: int
    """Longest sequence in tokens."""
    fingerprint: str
    """Tells models apart, so that a stopped evaluation does not go on with another one."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Answer]]:
        """Answers in whatever order, some at a time; what has come is kept when the evaluation is stopped."""
        ...


backends: Registry[Callable[..., Backend]] = Registry("backend", "tokengraft.evaluation.code_tasks.backends")
"""From model, tokenizer and settings to a backend. A new one is a new file."""


def requests_for(
    wanted: Iterable[tuple[str, int, Prompt]], backend: Backend, *, max_new_tokens: int, seed: int
) -> tuple[list[Request], list[Answer]]:
    """Requests, and the answers that need none: empty ones for prompts that leave no room in the model's context."""
    requests, hopeless = [], []
    for task_id, sample, prompt in wanted:
        ids = encode(backend.tokenizer, prompt)
        room = min(max_new_tokens, backend.context - len(ids))
        if room < 1:
            hopeless.append(Answer(task_id, sample, "", 0, len(ids), "context"))
        else:
            requests.append(Request(task_id, sample, ids, prompt.stop, room, _seed(seed, task_id, sample)))
    return requests, hopeless


def encode(tokenizer: Any, prompt: Prompt) -> list[int]:
    """The prompt's ids: a text with what the tokenizer puts before it, a conversation as the chat template has it.

    Raises:
        ConfigError: a conversation is wanted, and the tokenizer has no chat template.
    """
    if not prompt.turns:
        ids = tokenizer(prompt.text, verbose=False)["input_ids"]
        # An empty text has no token, and there is nothing to go on from: T5-like ends of text are none either.
        return list(ids) or [tokenizer.bos_token_id or tokenizer.eos_token_id or 0]
    if getattr(tokenizer, "chat_template", None) is None:
        raise ConfigError(
            found="form chat, and a tokenizer without a chat template",
            expected="a model that was trained for conversations",
            do="leave --form chat out: base models go on with the text (form completion)",
        )
    text = _templated(tokenizer, prompt.turns) + prompt.prefill
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def _templated(tokenizer: Any, turns: tuple[tuple[str, str], ...]) -> str:
    messages = [{"role": role, "content": content} for role, content in turns]
    try:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception:  # a template raises what it likes where it knows no system role
        if messages[0]["role"] != "system" or len(messages) < 2:
            raise
        merged = {"role": "user", "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
        return tokenizer.apply_chat_template([merged, *messages[2:]], tokenize=False, add_generation_prompt=True)


def decode(tokenizer: Any, prompt: Sequence[int], answer: Sequence[int]) -> str:
    """The text that the answer's ids add to the prompt's.

    SentencePiece tokenizers drop the space before the first token of a text: an answer decoded alone would lose one
    of the spaces of its indentation.
    """
    before = _decoded(tokenizer, prompt)
    whole = _decoded(tokenizer, [*prompt, *answer])
    return whole[len(before) :] if whole.startswith(before) else _decoded(tokenizer, answer)


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    return tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _seed(seed: int, task_id: str, sample: int) -> int:
    """Of each answer its own, so that neither the batch nor a stop before it changes what is drawn."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{task_id}/{sample}".encode()).digest()[:6], "big")

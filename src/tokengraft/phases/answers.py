"""Conversations as windows whose answers alone are learned, the same bytes in both tokenizations.

A conversation is cut into stretches that are learned or not, and each stretch is encoded for itself, as at inference:
the prompt is encoded before there is an answer. So no token lies across the edge. Where a tokenizer cannot do that, the
whole is encoded, and a token across the edge is not learned. Flags of the base's ids follow from those of the extended.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokengraft.config_phases import InstructionConfig
from tokengraft.corpus.instructions import ASSISTANT, Dialogue
from tokengraft.errors import CorpusError, TokenizerError
from tokengraft.tokenizer import TokenizerFile
from tokengraft.training.windows import Window, make_window

Stretch = tuple[str, bool]
"""Text, and whether it is learned."""


@dataclass(slots=True)
class Counted:
    """What became of the documents: how many there were, were longer than a window, lost every answer by the cut."""

    documents: int = 0
    longer: int = 0
    dropped: int = 0


def answer_windows(
    extension: Any, dialogues: Iterable[Dialogue], config: InstructionConfig, max_length: int, counted: Counted
) -> list[Window]:
    """A window of at most `max_length` base tokens for each conversation; `counted` says what was cut.

    Raises:
        CorpusError: the template does not know a role, or no conversation has an answer within the length.
        TokenizerError: the tokenizer has no chat template and no format is given.
    """
    # The extended tokenizer's template: control tokens may have come with one of their own.
    spell = _by_format(config, extension.base) if config.format else _by_template(extension.file)
    windows = []
    for dialogue in dialogues:
        counted.documents += 1
        window = _window(extension, list(spell(dialogue)), max_length, counted, begins=not config.format)
        if window is not None:
            windows.append(window)
    if not windows:
        raise CorpusError(
            found=f"{counted.documents} conversations, none with an answer within {max_length} tokens",
            expected="answers to learn",
            do="raise max_length, or give shorter conversations",
        )
    return windows


def _window(
    extension: Any, stretches: Sequence[Stretch], max_length: int, counted: Counted, *, begins: bool
) -> Window | None:
    tokens, flags = _encoded(extension, stretches)
    # A chat template writes the begin token itself.
    prefix = [] if begins else extension.base.prefix_ids()
    ids = np.array([*prefix, *tokens], dtype=np.int64)
    learned = np.array([False] * len(prefix) + flags, dtype=bool)
    lengths = extension.decomposition.lengths[ids]
    fitting = int(np.searchsorted(np.cumsum(lengths), max_length, side="right"))
    counted.longer += fitting < len(ids)
    ids, learned, lengths = ids[:fitting], learned[:fitting], lengths[:fitting]
    if not learned[1:].any():
        counted.dropped += 1
        return None
    window = make_window(ids, extension.decomposition, extension.base_size)
    return Window(window.student, window.teacher, window.ends, window.first_new, learned, np.repeat(learned, lengths))


def _encoded(extension: Any, stretches: Sequence[Stretch]) -> tuple[list[int], list[bool]]:
    """Ids, and which of them are learned."""
    parts = extension.encode([text for text, _ in stretches])
    joined = [token for part in parts for token in part]
    whole = "".join(text for text, _ in stretches)
    if extension.decode(joined) == extension.decode(extension.encode([whole])[0]):
        return joined, [is_learned for part, (_, is_learned) in zip(parts, stretches, strict=True) for _ in part]
    return _encoded_whole(extension, whole, stretches)


def _encoded_whole(extension: Any, whole: str, stretches: Sequence[Stretch]) -> tuple[list[int], list[bool]]:
    """For tokenizers that begin every text with a space of their own: a token is learned if all of it is."""
    encoding = extension.file.tokenizer.encode(whole, add_special_tokens=False)
    learned = [is_learned for text, is_learned in stretches for _ in text]
    return encoding.ids, [end > begin and all(learned[begin:end]) for begin, end in encoding.offsets]


def _by_format(config: InstructionConfig, base: TokenizerFile) -> Any:
    del base
    if "{prompt}" not in config.format:
        raise CorpusError(
            found=f"format {config.format!r}", expected="{prompt} where the question stands", do="add {prompt}"
        )

    def spell(dialogue: Dialogue) -> Iterator[Stretch]:
        for message in dialogue.messages:
            if message["role"] == ASSISTANT:
                yield message["content"] + config.end, True
            elif message["role"] == "user":
                yield config.format.replace("{prompt}", message["content"]), False
            else:
                raise _unknown_role(dialogue, message["role"], "the format knows user and assistant alone")

    return spell


def _by_template(base: TokenizerFile) -> Any:
    template = base.config.get("chat_template") or base.companions.get("chat_template.jinja")
    if not isinstance(template, str):
        raise TokenizerError(
            found=f"{base.name} without a chat template",
            expected="a template, or instructions.format",
            do="set instructions.format, for instance to '### Question\\n{prompt}\\n### Answer\\n'",
        )
    special: dict[str, Any] = {
        name: text for name in ("bos_token", "eos_token") if (text := _special(base, name)) is not None
    }

    def spell(dialogue: Dialogue) -> Iterator[Stretch]:
        done = ""
        for place, message in enumerate(dialogue.messages):
            before = dialogue.messages[:place]
            if message["role"] == ASSISTANT:
                asked = _render(template, before, special, dialogue, prompt=True)
                yield _grown(asked, done, dialogue), False
                done = asked
            now = _render(template, dialogue.messages[: place + 1], special, dialogue)
            rest = _grown(now, done, dialogue)
            if message["content"].strip() not in rest:
                raise _unknown_role(dialogue, message["role"], "the template leaves its message out")
            yield rest, message["role"] == ASSISTANT
            done = now

    return spell


def _render(
    template: str, messages: Sequence[Mapping[str, str]], special: Mapping[str, Any], dialogue: Dialogue, *,
    prompt: bool = False,
) -> str:  # fmt: skip
    from jinja2.exceptions import TemplateError  # noqa: PLC0415 - for conversations alone
    from transformers.utils.chat_template_utils import render_jinja_template  # noqa: PLC0415

    if not messages:
        return ""
    try:
        rendered, _ = render_jinja_template(
            conversations=[[dict(message) for message in messages]], chat_template=template,
            add_generation_prompt=prompt, **special,
        )  # fmt: skip
    except TemplateError as error:
        raise _unknown_role(dialogue, messages[-1]["role"], str(error)) from error
    return rendered[0]


def _grown(now: str, before: str, dialogue: Dialogue) -> str:
    if not now.startswith(before):
        raise CorpusError(
            found=f"{dialogue.where}: a chat template that writes earlier messages anew when later ones follow",
            expected="a template that only adds to what stands there",
            do="set instructions.format instead",
        )
    return now[len(before) :]


def _unknown_role(dialogue: Dialogue, role: str, why: str) -> CorpusError:
    return CorpusError(
        found=f"{dialogue.where}: a message of {role!r}: {why}",
        expected="roles, in an order, that the template knows",
        do="mend or remove that line, or set instructions.format",
    )


def _special(base: TokenizerFile, name: str) -> str | None:
    number = base.bos_id if name == "bos_token" else base.eos_id
    return None if number is None else base.tokens[number]

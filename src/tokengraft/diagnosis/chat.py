"""What a chat template does, by rendering a small conversation with it in a sandbox."""

from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tokengraft.diagnosis.vocabulary import Vocabulary

ANSWER = "Certainly"
CONVERSATION = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": ANSWER}]


def rendered(vocabulary: Vocabulary, messages: list[dict[str, str]] | None = None) -> str | None:
    """The conversation as the template writes it; None without a template, or where it refuses this conversation."""
    if not vocabulary.template:
        return None
    try:
        return _environment().from_string(vocabulary.template).render(
            messages=messages or CONVERSATION,
            add_generation_prompt=False,
            bos_token=vocabulary.roles.get("bos_token", ""),
            eos_token=vocabulary.roles.get("eos_token", ""),
            pad_token=vocabulary.roles.get("pad_token", ""),
            unk_token=vocabulary.roles.get("unk_token", ""),
            tools=None,
            documents=None,
        )  # fmt: skip
    except (TemplateError, ValueError, TypeError, ArithmeticError):
        return None


def turn_end(vocabulary: Vocabulary) -> int | None:
    """Id of the added token that the template writes after an answer; None where it is ordinary text or nothing."""
    text = rendered(vocabulary)
    if text is None or ANSWER not in text:
        return None
    ids = vocabulary.encode(text.rpartition(ANSWER)[2].strip())
    return ids[0] if ids and ids[0] in set(vocabulary.added.values()) else None


def _environment() -> ImmutableSandboxedEnvironment:
    """As transformers sets it up."""

    def refuse(message: str) -> Any:
        raise TemplateError(message)

    def today(form: str) -> str:
        return form

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    extra: dict[str, Any] = {"raise_exception": refuse, "strftime_now": today}
    environment.globals.update(extra)
    return environment

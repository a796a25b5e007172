"""Chat templates: the named ones, those from a file, and either with other tokens in the place of its own."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tokengraft.errors import ConfigError, TokenizerError
from tokengraft.tokenizer import TokenizerFile

TEMPLATE = "chat_template.jinja"

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ROLES = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n"
    "{{ message['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
BUILT_IN = {"chatml": CHATML, "roles": ROLES}
"""`chatml` as Qwen writes it; `roles` as Zephyr and Phi do, with a token for each role and the end token after it."""

NEEDS = {"chatml": ("<|im_start|>", "<|im_end|>"), "roles": ("<|user|>", "<|assistant|>")}

_CONTROL = re.compile(r"<\|[^|<>{}\s]+\|>")


def read_template(name: str) -> str:
    """The text of a built-in template, or of a file.

    Raises:
        ConfigError: there is neither.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            found=f"chat template {name}: {getattr(error, 'strerror', None) or error}",
            expected=f"a file with a Jinja template, or one of {', '.join(sorted(BUILT_IN))}",
            do="check the path",
        ) from error


def control_tokens(name: str, text: str) -> list[str]:
    """The control tokens that a template writes out."""
    return list(dict.fromkeys([*NEEDS.get(name, ()), *_CONTROL.findall(text)]))


def with_chat_template(file: TokenizerFile, name: str, tokens: Mapping[str, str]) -> TokenizerFile:
    """The tokenizer with that template; `tokens` says which of its own tokens stands in the place of the template's.

    Raises:
        ConfigError: there is no such template.
        TokenizerError: the template writes control tokens that the tokenizer does not have.
    """
    text = read_template(name)
    needed = control_tokens(name, text)
    for old, new in tokens.items():
        text = text.replace(old, new)
    missing = [tokens.get(token, token) for token in needed if tokens.get(token, token) not in file.ids]
    if missing:
        raise TokenizerError(
            found=f"chat template {name} with {', '.join(missing)}, which the tokenizer would split",
            expected="a token for each",
            do=f"add them ({' '.join(f'--token {token!r}' for token in missing)}), or name others in their place "
            f"(--template-token {missing[0]!r}=...)",
        )
    if "eos_token" in text and not file.config.get("eos_token"):
        raise TokenizerError(
            found=f"chat template {name} with eos_token, and a tokenizer without an end token",
            expected="an end token",
            do="add one: --eos '<|end|>'",
        )
    config = {key: value for key, value in file.config.items() if key != "chat_template"}
    return replace(file, config=config, companions={**file.companions, TEMPLATE: text})

"""What `tokengraft special` does with its flags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokengraft.errors import ConfigError
from tokengraft.special.api import Added, add_special_tokens, folder_of, remove_special_tokens
from tokengraft.special.data_check import DataReport, check_data
from tokengraft.special.folder import additions, read_tokenizer
from tokengraft.special.request import SpecialToken, read_tokens, requested


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, each part None where it was not asked for."""

    added: Added | None = None
    removed: dict[str, Any] | None = None
    data: DataReport | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "added": self.added.to_dict() if self.added else None,
            "removed": self.removed,
            "data": self.data.to_dict() if self.data else None,
        }


def run_command(
    model: str, adding: Mapping[str, Any], settings: Mapping[str, Any], *, tokenizer: str | None = None,
    out: Path | None = None, in_place: bool = False, remove: bool = False, data: Path | None = None,
) -> Outcome:  # fmt: skip
    """What was done: tokens added or taken back, the training set checked.

    Raises:
        ConfigError: flags contradict each other, or ask for nothing.
        TokengraftError: what `add_special_tokens`, `remove_special_tokens` and `check_data` raise.
    """
    tokens, words = gathered(adding)
    wanted = bool(tokens or words or adding["chat_template"])
    if remove and wanted:
        raise ConfigError(found="--remove and tokens to add", expected="one of the two", do="run two commands")
    if not (remove or wanted or data):
        raise ConfigError(
            found="nothing to do", expected="--token, --word, --pad, --tokens, --chat-template, --remove or --data",
            do="see tokengraft special --help",
        )  # fmt: skip
    added = removed = report = None
    if remove:
        removed = remove_special_tokens(model, out=out, in_place=in_place)
    if wanted:
        added = add_special_tokens(
            model, tokenizer, tokens, words=words, out=out, in_place=in_place, replace=adding["replace"] or (),
            chat_template=adding["chat_template"], template_tokens=_pairs(adding["template_token"], "--template-token"),
            **settings,
        )  # fmt: skip
    if data:
        report = _checked(model if added is None else str(added.out), tokenizer, data)
    return Outcome(added, removed, report)


def gathered(adding: Mapping[str, Any]) -> tuple[tuple[SpecialToken, ...], list[str]]:
    """Control tokens and words from the flags and the file."""
    words = list(adding["word"] or ())
    made: list[SpecialToken] = []
    if adding["tokens"]:
        entries, more = _from_file(adding["tokens"])
        made += requested(entries)
        words += more
    described = _pairs(adding["describe"], "--describe")
    for text in adding["token"] or ():
        content, _, like = text.partition("=")
        made += requested({content: {"like": _listed(like), "description": described.pop(content, None)}})
    made += [SpecialToken(content, role) for role, content in adding["roles"].items() if content is not None]
    made += [SpecialToken(content, description=text) for content, text in described.items()]
    return requested(made), words


def _from_file(path: Path) -> tuple[Any, list[str]]:
    """Tokens and words of a file, which may give them under `tokens:` and `words:`."""
    value = read_tokens(path, whole=True)
    if isinstance(value, dict) and set(value) <= {"tokens", "words"}:
        return value.get("tokens") or {}, [str(word) for word in value.get("words") or ()]
    return value, []


def _pairs(texts: Sequence[str] | None, flag: str) -> dict[str, str]:
    pairs = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigError(found=f"{flag} {text!r}", expected=f"{flag} 'TOKEN=text'", do="write the text after =")
        pairs[name] = value
    return pairs


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _checked(model: str, tokenizer: str | None, data: Path) -> DataReport:
    folder = folder_of(model)
    file = read_tokenizer(folder, tokenizer)
    recorded = {
        token: number
        for addition in additions(folder)
        for token, number in addition["ids"].items()
        if token not in addition["parts"]
    }
    return check_data(file, data, recorded or None)

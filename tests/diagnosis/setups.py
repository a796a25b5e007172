"""Faulty set-ups, each made from tiny models and plain transformers code, and the ways out that its finding names."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .conftest import align, edit, make_model, make_tokenizer, save

Given = dict[str, Any]
"""What the doctor is given: `model`, and `tokenizer`, `batches`, `base`, `adapter`, `training` where there are any."""


class Bench:
    """A place to build in, with texts for a tokenizer."""

    def __init__(self, place: Path, texts: list[str]) -> None:
        self.place, self.texts = place, texts

    def tokenizer(self, **settings: Any) -> Any:
        """The tokenizer with bos, eos and pad."""
        return make_tokenizer(self.texts, **settings)

    def model(self, name: str = "llama-untied", tokenizer: Any = None, *, more: int = 0) -> Any:
        """A tiny model with a row for each token, and `more` without one."""
        tokenizer = tokenizer if tokenizer is not None else self.tokenizer()
        return align(make_model(name, rows=len(tokenizer) + more), tokenizer)

    def save(self, name: str, model: Any, tokenizer: Any = None) -> Path:
        """Both in one folder."""
        return save(self.place / name, model, tokenizer if tokenizer is not None else self.tokenizer())

    def sound(self, name: str = "llama-untied") -> Path:
        """A set-up without a fault."""
        return self.save("sound", self.model(name))

    def bare(self, name: str) -> Path:
        """A sound model without a tokenizer: some families' own classes add tokens to one."""
        self.model(name).save_pretrained(self.place / "bare")
        return self.place / "bare"

    def special(self, model: Path, *flags: str) -> Path:
        """`tokengraft special MODEL … --out NEW`."""
        run("special", str(model), *flags, "--settle", "no", "--out", str(self.place / "new"))
        return self.place / "new"

    def mended(self, given: Given) -> Path:
        """`tokengraft doctor MODEL --fix --out MENDED`: its exit code speaks of what was examined."""
        run("doctor", str(given["model"]), "--fix", "--out", str(self.place / "mended"))
        return self.place / "mended"


def run(*arguments: str) -> None:
    """A command, which ends with an exit code."""
    from tokengraft.cli import main

    with contextlib.suppress(SystemExit):
        main(arguments)


Mend = Callable[[Bench, Given], Given]


def by_hand(file: str, **values: Any) -> Mend:
    """Somebody sets these fields of a file of the model."""

    def mend(_bench: Bench, given: Given) -> Given:
        edit(Path(given["model"]) / file, **values)
        return given

    return mend


@dataclass(frozen=True)
class Fault:
    """One fault: how it comes about, and each way out in the words of the finding's `fix`."""

    what: str
    """As docs/doctor.md words it."""
    code: str
    make: Callable[[Bench], Given]
    mends: dict[str, Mend]
    """By a piece of the fix's text, what somebody does who follows it."""


FAULTS: list[Fault] = []


def fault(
    what: str, code: str, mends: dict[str, Mend]
) -> Callable[[Callable[[Bench], Given]], Callable[[Bench], Given]]:
    """Decorator that enters a builder."""

    def enter(make: Callable[[Bench], Given]) -> Callable[[Bench], Given]:
        FAULTS.append(Fault(what, code, make, mends))
        return make

    return enter

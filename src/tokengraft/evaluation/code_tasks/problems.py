"""What a benchmark is to us: records, how they are asked, how an answer becomes a program. One format a file."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tokengraft.evaluation.code_tasks.runner import Program
from tokengraft.registry import Registry

Record = Mapping[str, Any]
PromptForm = Literal["completion", "chat"]
"""`completion`: the model goes on with the text; `chat`: it is asked through its chat template."""


@dataclass(frozen=True, slots=True)
class HubSource:
    """Where a benchmark lies on the Hugging Face hub."""

    name: str
    split: str
    subset: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is given, and where it is to stop."""

    text: str = ""
    """The text to go on with; empty where it is a conversation."""
    turns: tuple[tuple[str, str], ...] = ()
    """Role and content of a conversation, for the model's chat template."""
    prefill: str = ""
    """What the model's answer begins with, written for it."""
    stop: tuple[str, ...] = ()
    """The first of these ends the answer and does not belong to it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: its name, its record, and the format that reads it."""

    task_id: str
    record: Record


class TaskFormat(ABC):
    """Reads one kind of benchmark. A new kind is a new file with a registered class."""

    fields: ClassVar[frozenset[str]]
    """Fields that every record must have."""
    hub: ClassVar[HubSource | None] = None
    seconds: ClassVar[float]
    """Wall time that the official grader gives a program."""
    max_new_tokens: ClassVar[int]
    """Length of an answer, as the official program has it."""

    @classmethod
    def claims(cls, record: Record) -> bool:
        """Whether a record is of this format; no two formats claim the same record."""
        return cls.fields <= set(record)

    @abstractmethod
    def task_id(self, record: Record, line: int) -> str:
        """The problem's name, by which runs are paired."""

    @abstractmethod
    def prompt(self, record: Record, form: PromptForm) -> Prompt:
        """What the model is given."""

    @abstractmethod
    def solution(self, record: Record, answer: str, form: PromptForm) -> str:
        """The code in a model's answer, after the official post-processing."""

    @abstractmethod
    def program(self, record: Record, solution: str) -> Program:
        """The program that ends well if the solution is right."""

    @abstractmethod
    def reference(self, record: Record) -> Program | None:
        """The program of the reference solution; None where the record has none."""

    @abstractmethod
    def sources(self, record: Record) -> list[str]:
        """Python sources whose imports the grader's interpreter must have."""

    def official_name(self, form: PromptForm) -> str | None:  # noqa: ARG002
        """Name of the file of answers that the benchmark's own program reads; None: it reads none."""
        return None

    def official(self, record: Record, task_id: str, solution: str) -> dict[str, Any]:  # noqa: ARG002
        """A row of that file."""
        return {"task_id": task_id, "completion": solution}

    def belongs(self, record: Record) -> bool:  # noqa: ARG002
        """Whether the record is of the part that is scored."""
        return True


formats: Registry[type[TaskFormat]] = Registry("code task", "tokengraft.evaluation.code_tasks.formats")


def cut(text: str, stop: tuple[str, ...]) -> str:
    r"""The text up to the first stop sequence in it.

    >>> cut("return 1\n\ndef g():", ("\nclass", "\ndef"))
    'return 1\n'
    """
    places = [place for place in (text.find(word) for word in stop) if place >= 0]
    return text[: min(places)] if places else text

"""BigCodeBench, Zhuo et al. 2024, as https://github.com/bigcode-project/bigcodebench asks, cleans and scores.

Completion is its split "complete", chat its split "instruct". "Calibrated" means that the code of the prompt, with
`pass` for a body, stands before the solution: a model that leaves the imports out is not failed for that.
"""

from typing import Any, ClassVar

from tokengraft.evaluation.code_tasks.problems import (
    HubSource,
    Prompt,
    PromptForm,
    Record,
    TaskFormat,
    cut,
    formats,
)
from tokengraft.evaluation.code_tasks.runner import Program
from tokengraft.evaluation.code_tasks.sanitize import sanitize

ENDS = ("<|endoftext|>", "<|endofmask|>", "</s>", "\nif __name__", "\ndef main(", "\nprint(")
"""`EOS` of `bigcodebench/provider/utility.py`."""
DIRECT = ("\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert ")
"""What ends a direct completion as well."""
ASKED = "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
ANSWERED = (
    "Below is a Python script with a self-contained function that solves the problem and passes corresponding tests:"
)


@formats.register("bigcodebench", paper="Zhuo et al. 2024, arXiv 2406.15877")
class BigCodeBench(TaskFormat):
    """Functions that call many libraries, judged by unit tests; 1140 problems."""

    fields: ClassVar[frozenset[str]] = frozenset({"task_id", "test", "entry_point", "canonical_solution"})
    hub: ClassVar[HubSource | None] = HubSource("bigcode/bigcodebench", "v0.1.4")
    seconds: ClassVar[float] = 240.0
    max_new_tokens: ClassVar[int] = 1280

    @classmethod
    def claims(cls, record: Record) -> bool:
        """Whether all fields are there, and the code of the prompt apart, under either of its names."""
        return cls.fields <= set(record) and bool({"code_prompt", "prompt_wo_doc"} & set(record))

    def task_id(self, record: Record, line: int) -> str:  # noqa: ARG002
        """`BigCodeBench/0` and so on."""
        return str(record["task_id"])

    def prompt(self, record: Record, form: PromptForm) -> Prompt:
        """The function's head and docstring; in a conversation the instruction, and an answer that is begun."""
        if form == "completion":
            return Prompt(text=_complete(record), stop=ENDS + DIRECT)
        asked = f"{ASKED}\n{_instruction(record).strip()}\n"
        return Prompt(turns=(("user", asked),), prefill=f"{ANSWERED}\n```python\n", stop=(*ENDS, "\n```\n"))

    def solution(self, record: Record, answer: str, form: PromptForm) -> str:
        """The entry point and what it needs, out of what the model wrote."""
        stop = ENDS + DIRECT if form == "completion" else (*ENDS, "\n```\n")
        text = cut(answer, stop).replace("\t", "    ")
        return sanitize(_complete(record) + text if form == "completion" else text, record["entry_point"])

    def program(self, record: Record, solution: str) -> Program:
        """The calibrated solution and its tests."""
        return self._tested(f"{_head(record)}\n    pass\n{solution}", record)

    def reference(self, record: Record) -> Program | None:
        """The prompt with the canonical body."""
        return self._tested(f"{_complete(record)}\n{record['canonical_solution']}", record)

    def official_name(self, form: PromptForm) -> str | None:
        """A file for `bigcodebench.evaluate`, whose name tells its older versions to calibrate."""
        split = "complete" if form == "completion" else "instruct"
        return f"bigcodebench-{split}-sanitized-calibrated.jsonl"

    def official(self, record: Record, task_id: str, solution: str) -> dict[str, Any]:  # noqa: ARG002
        """Name and solution; the official program puts the head before it."""
        return {"task_id": task_id, "solution": solution}

    def sources(self, record: Record) -> list[str]:
        """Head and tests."""
        return [_head(record) + "\n    pass", record["test"]]

    def _tested(self, code: str, record: Record) -> Program:
        return Program(f"{code}\n{record['test']}", mode="unittest", seconds=self.seconds)


def _complete(record: Record) -> str:
    return record.get("complete_prompt") or record["prompt"]


def _instruction(record: Record) -> str:
    return record.get("instruct_prompt") or record["instruction"]


def _head(record: Record) -> str:
    return record.get("code_prompt") or record["prompt_wo_doc"]

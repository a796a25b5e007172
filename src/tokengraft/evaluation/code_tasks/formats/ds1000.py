"""DS-1000, Lai et al. 2023, in the simplified form that https://github.com/xlang-ai/DS-1000 keeps since 2024.

Each record brings its own grader: `code_context` defines `test_execution`, and for some problems `test_string`, which
looks at the text of the solution. As `run_inference.py` and `test_ds1000.py` there ask and score.
"""

import ast
import json
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

STOP = ("</code>", "# SOLUTION END")
ASKED = (
    "Write a short code following the given format and indentation. "
    "Place the executable code between <code> and </code> tags, without any other non-executable things."
)


@formats.register("ds1000", paper="Lai et al. 2023, arXiv 2211.11501")
class Ds1000(TaskFormat):
    """Questions on numpy, pandas, scipy, scikit-learn, matplotlib, torch and tensorflow; 1000 problems."""

    fields: ClassVar[frozenset[str]] = frozenset({"prompt", "code_context", "metadata"})
    hub: ClassVar[HubSource | None] = HubSource("xlangai/DS-1000", "test")
    seconds: ClassVar[float] = 120.0
    max_new_tokens: ClassVar[int] = 1024

    def task_id(self, record: Record, line: int) -> str:
        """`DS-1000/` and the number in the record's metadata."""
        metadata = record["metadata"]
        known = json.loads(metadata) if isinstance(metadata, str) else metadata
        return f"DS-1000/{known.get('problem_id', line - 1)}"

    def prompt(self, record: Record, form: PromptForm) -> Prompt:
        """The question as it is; a chat model is first told what form the answer must have."""
        if form == "completion":
            return Prompt(text=record["prompt"], stop=STOP)
        return Prompt(turns=(("system", ASKED), ("user", record["prompt"])), stop=STOP)

    def solution(self, record: Record, answer: str, form: PromptForm) -> str:  # noqa: ARG002
        """The answer without the marks around the code."""
        text = cut(answer, STOP).replace("```python", "").split("```")[0]
        return text.split("\nEND SOLUTION")[0].replace("<code>", "")

    def program(self, record: Record, solution: str) -> Program:
        """The record's own grader, called with the text of the solution."""
        context = record["code_context"]
        calls = "test_execution(code)\n" + ("test_string(code)\n" if "test_string(" in context else "")
        # `ascii`, unlike `repr`, leaves nothing that a file could not hold.
        return Program(f"{context}\ncode = {solution!a}\n{calls}", seconds=self.seconds)

    def reference(self, record: Record) -> Program | None:
        """The record's `reference_code`."""
        known = record.get("reference_code")
        return None if known is None else self.program(record, known)

    def official_name(self, form: PromptForm) -> str | None:  # noqa: ARG002
        """A file for `test_ds1000.py`."""
        return "ds1000-answers.jsonl"

    def official(self, record: Record, task_id: str, solution: str) -> dict[str, Any]:
        """Number, code and metadata of the problem."""
        return {"id": int(task_id.rpartition("/")[2]), "code": solution, "metadata": record["metadata"]}

    def sources(self, record: Record) -> list[str]:
        """The grader, and the program that it builds around a solution."""
        return [record["code_context"], *_templates(record["code_context"])]


def _templates(context: str) -> list[str]:
    """Texts in the grader that a solution is put into; they import too."""
    try:
        tree = ast.parse(context)
    except (SyntaxError, ValueError):
        return []
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text.replace("[insert]", "pass") for text in texts if "[insert]" in text]

"""Any JSON Lines file of prompts and tests."""

from typing import ClassVar

from tokengraft.evaluation.code_tasks.problems import Prompt, PromptForm, Record, TaskFormat, cut, formats
from tokengraft.evaluation.code_tasks.runner import Program

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Stop sequences of Chen et al. 2021, "Evaluating large language models trained on code", section 2.3."""
REFERENCES = ("reference", "canonical_solution", "solution")
OTHERS = frozenset({"prompt_wo_doc", "code_prompt", "canonical_solution"})


@formats.register("prompt-and-test", paper="")
class PromptAndTest(TaskFormat):
    """Records of `prompt` and `test`; may have `task_id`, `entry_point`, `stop`, `seconds` and `reference`."""

    fields: ClassVar[frozenset[str]] = frozenset({"prompt", "test"})
    seconds: ClassVar[float] = 10.0
    max_new_tokens: ClassVar[int] = 512

    @classmethod
    def claims(cls, record: Record) -> bool:
        """Whether there are prompt and test, and nothing that only other formats have."""
        return cls.fields <= set(record) and not OTHERS & set(record)

    def task_id(self, record: Record, line: int) -> str:
        """The record's `task_id`, else `id`, else its line."""
        return str(record.get("task_id", record.get("id", f"line {line}")))

    def prompt(self, record: Record, form: PromptForm) -> Prompt:
        """The prompt as it is; in a conversation the question that lm-eval's `humaneval_instruct` asks."""
        text, stop = record["prompt"], tuple(record.get("stop") or STOP)
        if form == "completion":
            return Prompt(text=text, stop=stop)
        asked = (
            "Write a solution to the following problem and make sure that it passes the tests:\n"
            f"```python\n{text}\n```\n"
        )
        begun = f"Here is the completed function:\n```python\n{text}\n"
        return Prompt(turns=(("user", asked),), prefill=begun, stop=("\n```",))

    def solution(self, record: Record, answer: str, form: PromptForm) -> str:
        """What stands before the first stop sequence, or before the end of the block of code."""
        stop = tuple(record.get("stop") or STOP) if form == "completion" else ("```",)
        return cut(answer, stop)

    def program(self, record: Record, solution: str) -> Program:
        """Prompt, solution and tests in one file, as `human_eval/execution.py` of openai/human-eval joins them."""
        entry = record.get("entry_point")
        call = f"check({entry})" if entry and "def check(" in record["test"] else ""
        source = f"{record['prompt']}{solution}\n{record['test']}\n{call}"
        return Program(source, seconds=float(record.get("seconds") or self.seconds))

    def reference(self, record: Record) -> Program | None:
        """The first of `reference`, `canonical_solution` and `solution` that the record has."""
        known = next((record[name] for name in REFERENCES if record.get(name) is not None), None)
        return None if known is None else self.program(record, known)

    def sources(self, record: Record) -> list[str]:
        """The prompt, which may import, as whole code and as the head of a function; and the tests."""
        return [record["prompt"], record["prompt"] + "\n    pass", record["test"]]

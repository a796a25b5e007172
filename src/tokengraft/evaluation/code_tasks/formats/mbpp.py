"""MBPP, Austin et al. 2021, asked as lm-eval's tasks `mbpp` and `mbpp_instruct` do (`lm_eval/tasks/mbpp`)."""

import re
from typing import ClassVar

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

EXPERT = "You are an expert Python programmer, and here is your task:"
TESTS = "Your code should pass these tests:"
DONE = "[DONE]"
SHOWN: tuple[Record, ...] = (
    {
        "text": "Write a function to find the similar elements from the given two tuple lists.",
        "code": "def similar_elements(test_tup1, test_tup2):\r\n"
        "  res = tuple(set(test_tup1) & set(test_tup2))\r\n  return (res) ",
        "test_list": [
            "assert similar_elements((3, 4, 5, 6),(5, 7, 4, 10)) == (4, 5)",
            "assert similar_elements((1, 2, 3, 4),(5, 4, 3, 7)) == (3, 4)",
            "assert similar_elements((11, 12, 14, 13),(17, 15, 14, 13)) == (13, 14)",
        ],
    },
    {
        "text": "Write a python function to identify non-prime numbers.",
        "code": "import math\r\ndef is_not_prime(n):\r\n    result = False\r\n"
        "    for i in range(2,int(math.sqrt(n)) + 1):\r\n        if n % i == 0:\r\n            result = True\r\n"
        "    return result",
        "test_list": [
            "assert is_not_prime(2) == False",
            "assert is_not_prime(10) == True",
            "assert is_not_prime(35) == True",
        ],
    },
    {
        "text": "Write a function to find the largest integers from a given list of numbers "
        "using heap queue algorithm.",
        "code": "import heapq as hq\r\ndef heap_queue_largest(nums,n):\r\n  largest_nums = hq.nlargest(n, nums)\r\n"
        "  return largest_nums",
        "test_list": [
            "assert heap_queue_largest( [25, 35, 22, 85, 14, 65, 75, 22, 58],3)==[85, 75, 65] ",
            "assert heap_queue_largest( [25, 35, 22, 85, 14, 65, 75, 22, 58],2)==[85, 75] ",
            "assert heap_queue_largest( [25, 35, 22, 85, 14, 65, 75, 22, 58],5)==[85, 75, 65, 58, 35]",
        ],
    },
)
"""Problems 2, 3 and 4 of the benchmark, which lm-eval shows before each question; none of them is scored."""
SCORED = range(11, 511)
"""Task ids of the benchmark's test part."""


@formats.register("mbpp", paper="Austin et al. 2021, arXiv 2108.07732")
class Mbpp(TaskFormat):
    """Short functions from a sentence and three asserts, three solved ones shown first; 500 problems."""

    fields: ClassVar[frozenset[str]] = frozenset({"task_id", "text", "code", "test_list"})
    hub: ClassVar[HubSource | None] = HubSource("google-research-datasets/mbpp", "test", "full")
    seconds: ClassVar[float] = 3.0
    max_new_tokens: ClassVar[int] = 256

    def belongs(self, record: Record) -> bool:
        """Whether the problem is of the test part."""
        return int(record["task_id"]) in SCORED

    def task_id(self, record: Record, line: int) -> str:  # noqa: ARG002
        """`MBPP/11` to `MBPP/510`."""
        return f"MBPP/{record['task_id']}"

    def prompt(self, record: Record, form: PromptForm) -> Prompt:
        """Three solved problems, then the question."""
        if form == "completion":
            shown = "".join(f"{_asked(one)}{one['code']}\n{DONE}\n\n" for one in SHOWN)
            return Prompt(text=shown + _asked(record), stop=(DONE,))
        turns = [
            turn
            for one in SHOWN
            for turn in (("user", _question(one)), ("assistant", f"```python\n{one['code']}\n```"))
        ]
        return Prompt(turns=(*turns, ("user", _question(record))), prefill="```python\n", stop=("\n```",))

    def solution(self, record: Record, answer: str, form: PromptForm) -> str:  # noqa: ARG002
        """The first block of code in the answer, or all of it."""
        text = cut(answer, (DONE,))
        # The block was opened for the model, so that its answer begins inside it. (lm-eval puts no line break here, and
        # takes a first word such as `def` for the name of a language.)
        found = re.search(r"```(?:\w+)?\n?(.*?)\n?```", "```\n" + text, re.DOTALL)
        return found[1] if found else text

    def program(self, record: Record, solution: str) -> Program:
        """Solution and asserts."""
        parts = [solution, record.get("test_setup_code") or "", *record["test_list"]]
        return Program("\n".join(parts), seconds=self.seconds)

    def reference(self, record: Record) -> Program | None:
        """The problem's `code`."""
        return self.program(record, record["code"])

    def sources(self, record: Record) -> list[str]:
        """The reference and the asserts."""
        return [record["code"], "\n".join(record["test_list"])]


def _asked(record: Record) -> str:
    tests = "\n".join(record["test_list"][:3])
    return f"{EXPERT} {record['text']} {TESTS}\n\n{tests}\n[BEGIN]\n"


def _question(record: Record) -> str:
    tests = "\n".join(record["test_list"][:3])
    return f"{EXPERT}\n{record['text']}\n{TESTS}\n{tests}"

"""HumanEval, Chen et al. 2021, https://github.com/openai/human-eval."""

from typing import ClassVar

from tokengraft.evaluation.code_tasks.formats.prompt_and_test import PromptAndTest
from tokengraft.evaluation.code_tasks.problems import HubSource, PromptForm, Record, formats


@formats.register("humaneval", paper="Chen et al. 2021, arXiv 2107.03374")
class HumanEval(PromptAndTest):
    """Functions to complete from signature and docstring; 164 problems."""

    fields: ClassVar[frozenset[str]] = frozenset({"task_id", "prompt", "test", "entry_point", "canonical_solution"})
    hub: ClassVar[HubSource | None] = HubSource("openai/openai_humaneval", "test")
    seconds: ClassVar[float] = 3.0

    @classmethod
    def claims(cls, record: Record) -> bool:
        """Whether all fields are there, and none that only BigCodeBench has."""
        return cls.fields <= set(record) and not {"prompt_wo_doc", "code_prompt"} & set(record)

    def official_name(self, form: PromptForm) -> str | None:  # noqa: ARG002
        """A file for `evaluate_functional_correctness`."""
        return "humaneval-samples.jsonl"

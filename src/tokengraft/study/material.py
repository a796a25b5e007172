"""What all variants of a study share: text, tokenizer, windows, and the base's reading of the held-out text."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from tokengraft.artifacts import RunFolder
from tokengraft.config import RunConfig
from tokengraft.corpus import Document
from tokengraft.evaluation.scorecard import Scorer
from tokengraft.model import grow
from tokengraft.model.rows import NewRows
from tokengraft.phases import training_windows
from tokengraft.stages.graft import load_base
from tokengraft.stages.inputs import Texts, check_inputs, gather_texts
from tokengraft.stages.tokens import choose_tokens
from tokengraft.study.settings import StudyConfig
from tokengraft.tokenizer import ExtendedTokenizer
from tokengraft.training.windows import Window


@dataclass
class Material:
    """The grown model and everything that a cell of the grid is made from and judged by."""

    config: RunConfig
    study: StudyConfig
    extension: ExtendedTokenizer
    texts: Texts
    model: Any

    @classmethod
    def make(cls, config: RunConfig, study: StudyConfig, run: RunFolder) -> "Material":
        """Made anew, the tokenizer read from the folder if an earlier start chose it.

        Raises:
            TokengraftError: something about the model or the corpora must be put right first.
        """
        base = check_inputs(config)
        texts = gather_texts(config, run)
        extension = choose_tokens(config, run, base, texts)
        model = grow(load_base(config, run), extension)
        return cls(config, study, extension, texts, model)

    def blank(self) -> None:
        """Takes the last variant's rows away."""
        size = len(self.extension.new_tokens)
        width = self.model.get_input_embeddings().weight.shape[1]
        rows = NewRows.read(self.model, self.extension.base_size, self.extension.size)
        empty = torch.zeros(size, width)
        bias = None if rows.bias is None else torch.zeros(size)
        NewRows(empty, empty, bias, tied=rows.tied).write(self.model, self.extension.base_size)

    @cached_property
    def windows(self) -> tuple[list[Window], list[Window]]:
        """(domain, replay)."""
        return self._cut(self.texts.training), self._cut(self.texts.replay)

    @cached_property
    def heldout(self) -> list[Window]:
        """Held-out windows of the domain with new tokens."""
        return [window for window in self._cut(self.texts.heldout) if window.first_new < len(window.student)]

    @cached_property
    def general_windows(self) -> list[Window]:
        """Windows of the general text that figures are reported on."""
        return self._cut(self.texts.general[1::2])

    @cached_property
    def judges(self) -> list[Window]:
        """Some of them, spread over the text."""
        found = self.heldout
        return found[:: max(1, len(found) // self.study.judges)][: self.study.judges]

    @cached_property
    def scorers(self) -> dict[str, Scorer]:
        """`report`: held-out domain text and every second document of the general text; `choice`: the other ones.

        Settings are chosen on the one half of the general text and reported on the other.
        """
        halves = {"choice": self.texts.general[0::2] if self.study.choice else [], "report": self.texts.general[1::2]}
        domain = [document.text for document in self.texts.heldout]
        return {
            name: Scorer.begin(
                self.model, self.extension, domain=domain if name == "report" else (),
                general=[document.text for document in half], settings=self.config.evaluation,
            )
            for name, half in halves.items() if half or name == "report"
        }  # fmt: skip

    def _cut(self, documents: Sequence[Document]) -> list[Window]:
        texts = [document.text for document in documents]
        return training_windows(self.model, self.extension, texts, self.config.distill)

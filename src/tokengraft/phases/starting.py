"""What initialisers ask a run for: its corpus, hidden states, a convex fit of the head, a trial of the candidates."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.config import DistillConfig, InitConfig
from tokengraft.errors import ConfigError, CorpusError
from tokengraft.init import Donor, Ingredients, words_of
from tokengraft.losses.fused import Head
from tokengraft.model.projection import find_projection
from tokengraft.model.rows import Composed, NewRows, frozen
from tokengraft.phases.head import FitPlan, refit_head
from tokengraft.phases.probe import probe_methods
from tokengraft.phases.texts import training_windows
from tokengraft.training.batches import like_lengths, pair
from tokengraft.training.windows import Window

STATES = 20_000
"""Positions whose hidden states are kept for a method that asks for some."""

CORPUS_BYTES = 20_000_000
"""Text of the corpus, in characters, that a method is shown at most."""

FIT = FitPlan(positions=120_000, iterations=40, ridge=1e-2, replay_share=0.5)
"""Of the head's rows, where a run's settings say nothing."""


def gather_ingredients(
    model: Any,
    extension: Any,
    texts: Sequence[str] = (),
    replay: Sequence[str] = (),
    *,
    settings: InitConfig | None = None,
    distill: DistillConfig | None = None,
    donor: Any = None,
    names: Mapping[str, Sequence[str]] | None = None,
    descriptions: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Ingredients:
    """What the initialisers may ask for; nothing is loaded, read or computed before one does.

    `donor`, `names` and `descriptions` come over those that the settings name. Without texts there is no corpus and
    nothing that is made from one.

    Raises:
        ConfigError: a file of names or descriptions cannot be used.
    """
    chosen = settings or InitConfig()
    names = words_of(chosen.names, "names") if names is None and chosen.names else names
    if descriptions is None and chosen.descriptions:
        descriptions = words_of(chosen.descriptions, "descriptions")
    source = donor if donor is not None else chosen.donor
    run = _Run(model, extension, texts, replay, distill or DistillConfig(), chosen, seed)
    return Ingredients(
        encode_base=extension.base.encode,
        encode=extension.encode,
        widths=_widths(extension),
        corpus=run.corpus if texts else None,
        donor=None if source is None else cache(lambda: source if isinstance(source, Donor) else Donor.load(source)),
        names=names,
        descriptions=descriptions,
        states=cache(run.states) if texts else None,
        fit=run.fit if texts else None,
        probe=run.probe if texts else None,
        settings=chosen,
    )


def choose_methods(given: Ingredients, settings: InitConfig, *, tied: bool) -> dict[str, str]:
    """The methods by table, `inputs` and `head`, what `auto` chooses in its place."""

    def choice(half: str, method: str) -> str:
        if method != "auto" or (tied and half == "head"):
            return method
        assert given.probe is not None
        return given.probe(half)

    return {"inputs": choice("inputs", settings.inputs), "head": choice("head", settings.head)}


def _widths(extension: Any) -> Callable[[int], int]:
    """Bytes of an id, old or new: by its pieces, so that a token of the base's own making has its own width."""
    new = {token.id: len(token.bytes) for token in extension.new_tokens}
    base = cache(lambda number: len(extension.base.token_bytes(number)))
    return lambda number: new[number] if number in new else base(number)


@dataclasses.dataclass(frozen=True)
class _Run:
    """The parts that need the model and the corpus together."""

    model: Any
    extension: Any
    texts: Sequence[str]
    replay: Sequence[str]
    distill: DistillConfig
    settings: InitConfig
    seed: int

    def corpus(self) -> Sequence[str]:
        return list(_within(self.texts, CORPUS_BYTES))

    def windows(self) -> tuple[list[Window], list[Window]]:
        domain, replay = (
            training_windows(self.model, self.extension, list(_within(part, CORPUS_BYTES)), self.distill)
            for part in (self.texts, self.replay)
        )
        if not domain:
            raise CorpusError(found="no text of more than one token", expected="text to start from", do="give more")
        return domain, replay

    @torch.no_grad()
    def states(self) -> Float[Tensor, "positions d"]:
        """Hidden states of the base on its own tokenization, of domain and replay text in the run's proportion."""
        domain, replay = self.windows()
        share = self.distill.replay_share if replay else 0.0
        composed, kept = self._composed(), []
        for windows, size in ((domain, STATES * (1 - share)), (replay, STATES * share)):
            for group in like_lengths(list(_first(windows, size)), self.distill.tokens_per_step):
                batch = pair(group).to(self.model.device)
                real = torch.arange(batch.teacher.shape[1], device=batch.teacher.device)[None]
                lengths = torch.tensor([len(window.teacher) for window in group], device=batch.teacher.device)
                kept.append(composed.hidden(batch.teacher)[real < lengths[:, None]].float().cpu())
        return torch.cat(kept)

    def fit(self, start: Float[Tensor, "new d"]) -> Float[Tensor, "new d"]:
        """The head's rows after the convex fit from `start`, with input rows as they stand in the model."""
        domain, replay = self.windows()
        composed = self._composed()
        if composed.rows.tied:
            raise ConfigError(
                found="convex-fit for a model whose head is its input table",
                expected="an untied head: the fit would overwrite the input rows",
                do="choose another method for init.head",
            )
        with torch.no_grad():
            composed.rows.head.copy_(start)
        positions = self.distill.refit_positions or FIT.positions
        plan = dataclasses.replace(FIT, positions=positions, ridge=self.distill.refit_ridge)
        head = Head(composed.base_head, composed.base_bias, find_projection(self.model))
        with frozen(self.model), torch.enable_grad():
            refit_head(composed, head, domain, replay, plan, self.seed)
        return composed.rows.head.detach().float().cpu()

    def probe(self, table: str) -> str:
        """The method that did best for `table` in a short trial."""
        domain, replay = self.windows()
        steps = dataclasses.replace(self.distill, steps=self.settings.probe_steps, refit_positions=0)
        return probe_methods(
            self.model, self.extension, domain, replay, table,
            settings=self.settings, distillation=steps, seed=self.seed,
        )  # fmt: skip

    def _composed(self) -> Composed:
        rows = NewRows.read(self.model, self.extension.base_size, self.extension.size)
        return Composed(self.model, rows, self.extension.base_size)


def _within(texts: Sequence[str], characters: float) -> Iterator[str]:
    for text in texts:
        if characters <= 0:
            return
        characters -= len(text)
        yield text


def _first(windows: Sequence[Window], positions: float) -> Iterator[Window]:
    for window in windows:
        if positions <= 0:
            return
        positions -= len(window.teacher)
        yield window

"""Answers by transformers, several at a time.

A loop of its own, as in `evaluation/generation.py`: `model.generate` would take sampling and penalties from the
checkpoint's settings, and knows nothing of rows that stand for no token.
"""

import hashlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.errors import DeviceError
from tokengraft.evaluation.code_tasks.generation import Answer, Ended, Request, Sampling, backends, decode
from tokengraft.evaluation.code_tasks.settings import CodeTasksConfig
from tokengraft.model.load import context_length, load_model

SLACK = 4
"""Tokens beyond a stop sequence's bytes in which it is looked for: one that begins inside a token is found too."""
SHRINK = 0.5
"""Share of the rows still at work below which the others leave the batch."""


@dataclass(slots=True)
class Row:
    """An answer in the making."""

    request: Request
    generator: torch.Generator | None
    ids: list[int] = field(default_factory=list)
    ended: Ended | None = None


@backends.register("transformers", paper="")
class Batched:
    """Left-padded batches, longest prompts first; greedy, or drawn with a generator of each answer's own."""

    def __init__(self, model: Any, tokenizer: Any, settings: CodeTasksConfig) -> None:
        if isinstance(model, str):
            tokenizer = tokenizer or _tokenizer(model, settings)
            model = load_model(
                model, dtype=settings.dtype, device=settings.device, trust_remote_code=settings.trust_remote_code
            )
        self.model, self.tokenizer, self.batch_size = model.eval(), tokenizer, settings.batch_size
        self.context = context_length(model)
        self.fingerprint = fingerprint(model)
        accepted = inspect.signature(model.forward).parameters
        self._positions, self._last_only = "position_ids" in accepted, "logits_to_keep" in accepted
        self._ends = _ends(model, tokenizer)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Answer]]:
        """Answers of a batch at a time.

        Raises:
            DeviceError: not even one prompt fits into the device's memory.
        """
        for batch in self._batches(requests):
            yield from self._answered(batch, sampling)

    def _batches(self, requests: Sequence[Request]) -> Iterator[list[Request]]:
        ordered = sorted(requests, key=lambda request: -len(request.ids))
        # A model that is not told positions would count padding: it gets prompts of one length together.
        together = (
            [ordered] if self._positions else [list(group) for _, group in groupby(ordered, lambda r: len(r.ids))]
        )
        for group in together:
            for start in range(0, len(group), self.batch_size):
                yield group[start : start + self.batch_size]

    def _answered(self, batch: list[Request], sampling: Sampling) -> Iterator[list[Answer]]:
        try:
            rows = self._decode(batch, sampling)
        except torch.OutOfMemoryError as error:
            if len(batch) == 1:
                raise DeviceError(
                    found=f"no memory left for one prompt of {len(batch[0].ids)} tokens",
                    expected="room for the model and one prompt",
                    do="choose a lower --dtype, fewer --max-new-tokens, or another device",
                ) from error
            rows = None
        if rows is not None:
            yield [self._answer(row) for row in rows]
            return
        torch.cuda.empty_cache()
        middle = len(batch) // 2
        yield from self._answered(batch[:middle], sampling)
        yield from self._answered(batch[middle:], sampling)

    @torch.inference_mode()
    def _decode(self, batch: list[Request], sampling: Sampling) -> list[Row]:
        rows = [Row(request, _generator(request, sampling)) for request in batch]
        given, mask = _left_padded(batch, self.model.device)
        active, cache = rows, None
        while active:
            output = self._forward(given, mask, cache)
            cache = output.past_key_values
            logits = output.logits[:, -1, : len(self.tokenizer)].float()
            chosen = self._choose(logits, active, sampling)
            keep = [place for place, row in enumerate(active) if row.ended is None]
            given = chosen[:, None]
            mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
            if not keep:
                break
            if len(keep) <= SHRINK * len(active) and hasattr(cache, "batch_select_indices"):
                places = torch.tensor(keep, device=given.device)
                cache.batch_select_indices(places)
                given, mask, active = given[places], mask[places], [active[place] for place in keep]
        return rows

    def _forward(self, given: Int[Tensor, "rows width"], mask: Int[Tensor, "rows length"], cache: Any) -> Any:
        more: dict[str, Any] = {}
        if self._positions:
            more["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -given.shape[1] :]
        if self._last_only:
            more["logits_to_keep"] = 1
        return self.model(input_ids=given, attention_mask=mask, past_key_values=cache, use_cache=True, **more)

    def _choose(
        self, logits: Float[Tensor, "rows tokens"], rows: list[Row], sampling: Sampling
    ) -> Int[Tensor, " rows"]:
        """The next token of each row, which is entered there unless the row has ended."""
        best = logits.argmax(-1)
        if sampling.temperature > 0:
            drawn = [_draw(line, row.generator, sampling) for line, row in zip(logits.cpu(), rows, strict=True)]
            best = torch.tensor(drawn, device=logits.device)
        for row, number in zip(rows, best.tolist(), strict=True):
            if row.ended is None:
                self._enter(row, number)
        return best

    def _enter(self, row: Row, number: int) -> None:
        if number in self._ends:
            row.ended = "end"
            return
        row.ids.append(number)
        if self._stopped(row):
            row.ended = "stop"
        elif len(row.ids) == row.request.room:
            row.ended = "length"

    def _stopped(self, row: Row) -> bool:
        stop = row.request.stop
        if not stop:
            return False
        # Every token has a byte at least, so that a stop sequence lies within as many tokens as it has bytes.
        window = max(len(word.encode()) for word in stop) + SLACK
        tail = self.tokenizer.decode(row.ids[-window:], clean_up_tokenization_spaces=False)
        return any(word in tail for word in stop)

    def _answer(self, row: Row) -> Answer:
        request = row.request
        text = decode(self.tokenizer, request.ids, row.ids)
        return Answer(request.task_id, request.sample, text, len(row.ids), len(request.ids), row.ended or "length")


def fingerprint(model: Any) -> str:
    """A hash of the model's shapes and of the first entries of each of its tensors."""
    sha = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        sample = tensor.detach().flatten()[:256].float().cpu()
        sha.update(f"{name} {tuple(tensor.shape)} {sample.numpy().tobytes().hex()}".encode())
    return sha.hexdigest()[:16]


def _tokenizer(name: str, settings: CodeTasksConfig) -> Any:
    from transformers import AutoTokenizer  # noqa: PLC0415 - not needed where the tokenizer is given

    return AutoTokenizer.from_pretrained(name, trust_remote_code=settings.trust_remote_code)


def _left_padded(
    batch: list[Request], device: torch.device
) -> tuple[Int[Tensor, "rows width"], Int[Tensor, "rows width"]]:
    width = max(len(request.ids) for request in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    mask = torch.zeros(len(batch), width, dtype=torch.long)
    for row, request in enumerate(batch):
        ids[row, width - len(request.ids) :] = torch.tensor(request.ids)
        mask[row, width - len(request.ids) :] = 1
    return ids.to(device), mask.to(device)


def _generator(request: Request, sampling: Sampling) -> torch.Generator | None:
    return torch.Generator().manual_seed(request.seed) if sampling.temperature > 0 else None


def _draw(logits: Float[Tensor, " tokens"], generator: torch.Generator | None, sampling: Sampling) -> int:
    """A token drawn from the nucleus: the fewest tokens whose probabilities reach top-p."""
    chances, order = (logits / sampling.temperature).softmax(-1).sort(descending=True, stable=True)
    chances[chances.cumsum(-1) - chances >= sampling.top_p] = 0.0
    return int(order[torch.multinomial(chances, 1, generator=generator)])


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = named if isinstance(named, list) else [named]
    return frozenset(number for number in [tokenizer.eos_token_id, *several] if number is not None)

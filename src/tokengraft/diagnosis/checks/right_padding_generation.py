"""Generation in batches."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch

from tokengraft import atomic
from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error, warning
from tokengraft.diagnosis.forward import PROMPT_LENGTHS, greedy, prompts

STEPS = 8


@check("right-padding-generation", needs=("tokenizer", "model"), symptom="batch generation differs from single")
def right_padding_generation(case: Case) -> Iterator[Finding]:
    """Prompts in a batch, padded on the side that the tokenizer says, are continued otherwise than one by one."""
    assert case.vocabulary
    pad = case.vocabulary.id_of("pad_token")
    if pad is None or pad >= case.tables.rows:
        return
    side = case.training.padding_side if case.training and case.training.padding_side else case.vocabulary.padding_side
    if side != "right":
        return  # on the left the last position is text
    own = prompts(case)
    single = [greedy(case.model, row[None], torch.ones(1, len(row), dtype=torch.int64), STEPS)[0] for row in own]
    longest = max(map(len, own))
    ids = torch.stack([torch.nn.functional.pad(row, (0, longest - len(row)), value=pad) for row in own])
    mask = torch.stack([torch.arange(longest) < len(row) for row in own]).long()
    together = greedy(case.model, ids, mask, STEPS)
    equal = sum(bool(torch.equal(*pair)) for pair in zip(single, together, strict=True))
    if equal == len(own):
        return
    generates = case.training is not None and case.training.predict_with_generate
    yield (error if generates else warning)(
        f"padding_side is right: {equal} of {len(own)} prompts of {', '.join(map(str, PROMPT_LENGTHS))} tokens are "
        f"continued in a batch as they are alone (greedy, {STEPS} tokens)",
        "The next token is predicted at the last position, which is padding for every prompt but the longest. For "
        "training it does not matter.",
        'set tokenizer.padding_side = "left" before generating in batches (--fix does so on a copy)',
        padding_side=side,
        equal=equal,
        of=len(own),
    ).repairable()


@right_padding_generation.repaired_by
def pad_on_the_left(case: Case, folder: Path) -> str | None:
    """Writes the side into the tokenizer's settings."""
    del case
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    settings["padding_side"] = "left"
    atomic.write_json(file, settings)
    return "tokenizer_config.json: padding_side = left"

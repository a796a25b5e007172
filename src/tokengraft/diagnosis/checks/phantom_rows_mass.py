"""Rows without a token that the model can still choose."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch

from tokengraft import atomic
from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import KEPT, Finding, error, listed, warning
from tokengraft.diagnosis.forward import prompts

MOST = 1e-3
"""Probability on all phantom rows together that goes unmentioned."""
FILE = "generation_config.json"


@check("phantom-rows-mass", needs=("tokenizer", "model"), symptom="generated ids that decode to nothing")
def phantom_rows_mass(case: Case) -> Iterator[Finding]:
    """Rows beyond the tokenizer, or in its gaps, take probability."""
    assert case.vocabulary
    rows = phantoms(case)
    if not rows:
        return
    probabilities = _probabilities(case)
    if not bool(probabilities.isfinite().all()):
        return  # said by other checks
    mass = probabilities[:, rows].sum(1)
    free = set(rows) - set(case.generation.get("suppress_tokens") or ())
    chosen = [number for number in probabilities.argmax(1).unique().tolist() if number in free]
    if float(mass.mean()) <= MOST and not chosen:
        return
    finding = (error if chosen else warning)(
        f"{len(rows)} rows have no token (ids {rows[0]} to {rows[-1]}) and hold {float(mass.mean()):.2%} of the "
        f"probability, at most {float(mass.max()):.2%}, over {len(mass)} positions"
        + (f"; the likeliest next id was {listed(chosen)} there" if chosen else "")
        + ("" if free else "; suppress_tokens keeps generation from them"),
        ("Generation can choose an id that decodes to nothing, and the" if free else "The")
        + " loss counts their mass. A resize to a multiple, and rows made as the mean of all others, do that.",
        f"suppress them: suppress_tokens in {FILE} (--fix does so on a copy), or grow with tokengraft special, whose "
        "padding has no mass"
        if free
        else "nothing for generation; the loss is −ln(1 − mass) too high until training lowers it",
        ids=rows[:KEPT],
        count=len(rows),
        mass=float(mass.mean()),
        most=float(mass.max()),
        chosen=chosen,
        suppressed=len(rows) - len(free),
    )
    yield finding.repairable() if free else finding


def phantoms(case: Case) -> list[int]:
    """Rows that belong to no token."""
    assert case.vocabulary
    used = set(case.vocabulary.file.ids.values())
    return [row for row in range(case.tables.head_rows) if row not in used]


@torch.no_grad()
def _probabilities(case: Case) -> torch.Tensor:
    ids = torch.cat(prompts(case))[None].to(next(case.model.parameters()).device)
    return case.model(input_ids=ids).logits[0].float().softmax(-1).cpu()


@phantom_rows_mass.repaired_by
def suppress(case: Case, folder: Path) -> str | None:
    """Lists the rows in the generation settings, so that `generate` never chooses them."""
    rows = phantoms(case)
    file = folder / FILE
    settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    settings["suppress_tokens"] = sorted({*(settings.get("suppress_tokens") or ()), *rows})
    atomic.write_json(file, settings)
    return f"{FILE}: suppress_tokens lists {len(rows)} rows"

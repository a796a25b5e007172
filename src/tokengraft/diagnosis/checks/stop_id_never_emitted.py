"""Generation that cannot stop."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokengraft import atomic
from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.chat import turn_end
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error, info, warning

FILE = "generation_config.json"


def stop_ids(case: Case) -> set[int]:
    """Ids on which `generate` stops: the generation settings', else the model settings'."""
    found = case.generation.get("eos_token_id")
    if found is None:
        found = getattr(case.text_settings, "eos_token_id", None)
    return set(found) if isinstance(found, Iterable) else set() if found is None else {found}


@check("stop-id-never-emitted", needs=("tokenizer",), symptom="the model never stops")
def stop_id_never_emitted(case: Case) -> Iterator[Finding]:
    """Generation stops on an id that does not exist, or on another than the one that ends a turn of the template."""
    assert case.vocabulary
    vocabulary, stops = case.vocabulary, stop_ids(case)
    dead = sorted(n for n in stops if not 0 <= n < vocabulary.size or vocabulary.file.tokens[n] is None)
    end = turn_end(vocabulary)
    if dead and len(dead) == len(stops):
        yield error(
            f"generation stops on {sorted(stops)}, and the tokenizer has no token there: its ids end at "
            f"{vocabulary.size - 1}",
            "The model cannot emit what stops it, and every generation runs to its limit.",
            f"set eos_token_id in {FILE} to the tokenizer's eos"
            + ("" if (eos := vocabulary.id_of("eos_token")) is None else f", {eos} (--fix does so on a copy)"),
            stop_ids=sorted(stops),
            tokenizer_size=vocabulary.size,
        ).repairable()
    elif end is not None and end not in stops:
        yield warning(
            f"the chat template ends a turn with {vocabulary.named([end])[0]}, and generation stops on "
            f"{', '.join(vocabulary.named(sorted(stops))) or 'nothing'}",
            "A model that was taught with this template ends its answer with that token and goes on with the other "
            "side's turn. A base model that merely carries the template is fine.",
            f"put {end} into eos_token_id of {FILE} (--fix does so on a copy)",
            stop_ids=sorted(stops),
            turn_end=end,
        ).repairable()
    elif not stops:
        yield info(
            "neither the generation settings nor the model's name an eos id",
            "Generation runs to its limit, which is meant so for models of endless text.",
            f"set eos_token_id in {FILE} if texts end",
            stop_ids=[],
        )


@stop_id_never_emitted.repaired_by
def stop_where_turns_end(case: Case, folder: Path) -> str | None:
    """Adds the id that ends a turn, or else the tokenizer's eos, to the generation settings."""
    assert case.vocabulary
    end = turn_end(case.vocabulary)
    wanted = end if end is not None else case.vocabulary.id_of("eos_token")
    if wanted is None:
        return None
    file = folder / FILE
    settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    kept = [n for n in sorted(stop_ids(case)) if n < case.vocabulary.size and case.vocabulary.file.tokens[n]]
    settings["eos_token_id"] = [wanted, *[n for n in kept if n != wanted]] if set(kept) - {wanted} else wanted
    atomic.write_json(file, settings)
    return f"{FILE}: eos_token_id = {settings['eos_token_id']}"

"""Three files, three opinions."""

import json
from collections.abc import Iterator
from pathlib import Path

from tokengraft import atomic
from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, warning

ROLES = ("bos", "eos", "pad")


@check("special-ids-disagree", needs=("tokenizer",), symptom="generation pads or stops with the wrong token")
def special_ids_disagree(case: Case) -> Iterator[Finding]:
    """Model settings, generation settings and tokenizer give a role different ids."""
    wrong = disagreements(case)
    if wrong:
        yield warning(
            "; ".join(
                f"{role}: {', '.join(f'{who} {what}' for who, what in said.items())}" for role, said in wrong.items()
            ),
            "The Trainer aligns them by overwriting the settings with the tokenizer's, generate and serving programs "
            "read the settings, and so each does something else.",
            "let the settings follow the tokenizer (--fix does so on a copy)",
            roles=wrong,
        ).repairable()


def disagreements(case: Case) -> dict[str, dict[str, object]]:
    """By role: who says what, where an id of the settings is not the tokenizer's, or not among several."""
    assert case.vocabulary
    found = {}
    for role in ROLES:
        own = case.vocabulary.id_of(f"{role}_token")
        said = {
            "config": getattr(case.text_settings, f"{role}_token_id", None),
            "generation": case.generation.get(f"{role}_token_id"),
        }
        others = {who: value for who, value in said.items() if value is not None and own is not None}
        if any(own not in (value if isinstance(value, list | tuple) else [value]) for value in others.values()):
            found[role] = {"tokenizer": own, **others}
    return found


@special_ids_disagree.repaired_by
def follow_the_tokenizer(case: Case, folder: Path) -> str | None:
    """Writes the tokenizer's ids into the settings that disagree; several eos ids keep their company."""
    assert case.vocabulary
    done = []
    for who, name in (("config", "config.json"), ("generation", "generation_config.json")):
        file = folder / name
        if not file.is_file():
            continue
        settings = json.loads(file.read_text(encoding="utf-8"))
        for role, said in disagreements(case).items():
            if who in said:
                own, old = said["tokenizer"], said[who]
                settings[f"{role}_token_id"] = [own, *old] if isinstance(old, list) else own
                done.append(f"{name}: {role}_token_id = {settings[f'{role}_token_id']}")
        atomic.write_json(file, settings)
    return "; ".join(done) or None

"""A tokenizer that only transformers 5 loads."""

import json
from collections.abc import Iterator
from pathlib import Path

from tokengraft import atomic
from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, warning

FIVE = "TokenizersBackend"
BOTH = "PreTrainedTokenizerFast"
FILE = "tokenizer_config.json"


@check(
    "tokenizer-class-transformers-4",
    needs=("tokenizer",),
    symptom="Tokenizer class TokenizersBackend does not exist or is not currently imported",
)
def tokenizer_class_transformers_4(case: Case) -> Iterator[Finding]:
    """The tokenizer's settings are written as only transformers 5 reads them."""
    assert case.vocabulary
    settings = case.vocabulary.file.config
    reasons, remedies = [], []
    if settings.get("tokenizer_class") == FIVE:
        reasons.append(f"tokenizer_class is {FIVE}")
        remedies.append(f"set tokenizer_class to {BOTH}")
    if isinstance(settings.get("extra_special_tokens"), list):
        reasons.append("extra_special_tokens is a list")
        remedies.append("rename the list to additional_special_tokens")
    if reasons:
        yield warning(
            f"{' and '.join(reasons)}: transformers 4 cannot load this tokenizer",
            "Serving programs and colleagues with transformers 4 get an exception. The tokenizer itself is fine.",
            f"in {FILE}, {' and '.join(remedies)}; both versions load that (--fix does so on a copy)",
            reasons=reasons,
        ).repairable()


@tokenizer_class_transformers_4.repaired_by
def write_for_both(case: Case, folder: Path) -> str | None:
    """Names the class that both versions have, and the list as both read it."""
    del case
    file = folder / FILE
    settings = json.loads(file.read_text(encoding="utf-8"))
    if settings.get("tokenizer_class") == FIVE:
        settings["tokenizer_class"] = BOTH
    if isinstance(settings.get("extra_special_tokens"), list):
        settings["additional_special_tokens"] = settings.pop("extra_special_tokens")
    atomic.write_json(file, settings)
    return f"{FILE}: tokenizer_class = {settings.get('tokenizer_class')}"

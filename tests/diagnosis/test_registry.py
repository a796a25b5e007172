"""What holds of every check."""

import re
from pathlib import Path

import pytest

from tokengraft.diagnosis import checks
from tokengraft.diagnosis.case import NEEDS
from tokengraft.errors import ConfigError

ROOM = Path(checks.get("rows-zero").__class__.__call__.__code__.co_filename).parent
TESTS = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))

ISSUE = [
    "ids-beyond-table",
    "batch-ids-beyond-table",
    "pad-missing",
    "pad-is-eos",
    "labels-on-padding",
    "labels-all-ignored",
    "right-padding-generation",
    "rows-zero",
    "rows-not-finite",
    "rows-duplicate",
    "rows-out-of-scale",
    "rows-untrained",
    "fp16-adam-eps",
    "bf16-updates-vanish",
    "weight-decay-moves-rows",
    "old-rows-changed",
    "table-reinitialised",
    "head-missing",
    "tie-broken",
    "vocab-size-mismatch",
    "phantom-rows-mass",
    "special-token-splits",
    "template-token-missing",
    "stop-id-never-emitted",
    "reload-changes-tokenizer",
    "tokenizer-class-transformers-4",
    "added-tokens-inside-words",
    "tokens-unreachable",
    "new-tokens-unused",
    "adapter-without-rows",
    "lora-on-tied-tables",
    "masked-rows-nan",
    "adapter-size-mismatch",
    "new-rows-not-trained",
]


@pytest.mark.parametrize("name", checks.names())
def test_one_check_a_file_with_a_code_that_stays(name):
    check = checks.get(name)
    assert check.code == name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name)
    assert (ROOM / f"{name.replace('-', '_')}.py").is_file()
    assert check.symptom
    assert set(check.needs) <= set(NEEDS)
    assert f'"{name}"' in TESTS, "no test asks for this check by its code"


@pytest.mark.parametrize("name", ISSUE)
def test_codes_are_stable(name):
    assert checks.get(name).code == name


def test_a_check_that_is_not_there(folder):
    import tokengraft as tg

    with pytest.raises(ConfigError, match="did you mean 'rows-zero'"):
        tg.doctor(folder, only=["row-zero"])

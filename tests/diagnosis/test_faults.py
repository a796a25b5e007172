"""Each fault that docs/doctor.md lists: made, found by its code among all checks, and gone after what `fix` says."""

from pathlib import Path

import pytest

import tokengraft as tg
from tokengraft.diagnosis import Severity

from . import faults_adapters, faults_tables, faults_tokenizer, faults_training  # noqa: F401  they enter their faults
from .setups import FAULTS, Bench

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers and peft warn of what is made here


def examined(given):
    """Every check on it, in a set-up of files."""
    parts = {
        name: value for name, value in given.items() if name in {"tokenizer", "batches", "base", "adapter", "training"}
    }
    return tg.doctor(given["model"], **parts)


WAYS = [(fault, words) for fault in FAULTS for words in fault.mends]


@pytest.fixture
def bench(tmp_path, tokenizer_texts):
    return Bench(tmp_path, tokenizer_texts)


@pytest.mark.parametrize(("fault", "words"), WAYS, ids=[f"{fault.make.__name__}-{words[:30]}" for fault, words in WAYS])
def test_made_found_and_mended(fault, words, bench):
    given = fault.make(bench)
    found = [finding for finding in examined(given) if finding.code == fault.code]
    assert found
    assert all(words in finding.fix for finding in found), found[0].fix
    left = examined(fault.mends[words](bench, given))
    assert not [finding for finding in left if finding.severity is Severity.ERROR]
    again = [finding for finding in left if finding.code == fault.code]
    assert all(finding.severity is Severity.INFO for finding in again), again
    assert not again or found[0].severity is not Severity.INFO


def listed():
    """The faults as docs/doctor.md lists them."""
    lines = ["| fault | code | made and mended by | what was followed |", "|---|---|---|---|"]
    for fault in FAULTS:
        place = f"{fault.make.__module__.rpartition('.')[2]}.py: {fault.make.__name__}"
        ways = "; ".join(f"{words} …" if words != "--fix" else "`--fix`" for words in fault.mends)
        lines.append(f"| {fault.what} | `{fault.code}` | `{place}` | {ways.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def test_the_page_lists_them():
    page = (Path(__file__).resolve().parents[2] / "docs" / "doctor.md").read_text()
    assert listed() in page

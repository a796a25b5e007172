"""Each page in docs/symptoms: its script makes the fault, and its command finds what the page says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from tokengraft.cli import main

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "symptoms").glob("*.md"))
CODE = re.compile(r"^(error|warning|info) ([a-z0-9-]+)$", re.MULTILINE)


def plain(text):
    """Without figures, which differ with the library's version, and without the places of line breaks."""
    return re.sub(r"\d+", "0", " ".join(text.split()))


def block(page, begin, end="```"):
    return page.partition(begin)[2].partition(end)[0]


@pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])
@pytest.mark.filterwarnings("ignore")
def test_the_page_says_what_happens(path, tmp_path, monkeypatch, capsys):
    page = path.read_text()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(block(page, "```python\n"), path.name, "exec"), {"__name__": "page"})  # noqa: S102
    shown = block(page, "```text\n")
    assert re.sub(r"\d", "0", printed.getvalue()) == re.sub(r"\d", "0", shown)
    capsys.readouterr()
    command, _, output = block(page, "$ tokengraft ").partition("\n")
    code = 0
    try:
        main(command.split())
    except SystemExit as end:
        code = end.code
    told = capsys.readouterr().out
    said = CODE.findall(told)
    assert said == CODE.findall(output)
    assert plain(told) == plain(output)
    assert said
    assert code == int(any(severity == "error" for severity, _ in said))


def test_every_page_is_linked():
    doctor = (PAGES[0].parents[1] / "doctor.md").read_text()
    assert len(PAGES) >= 8
    assert [path.name for path in PAGES if f"symptoms/{path.name}" not in doctor] == []

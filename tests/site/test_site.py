"""The script that gathers the documentation's pages: links, navigation, programs and notebooks as pages."""

import json
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site():
    loader = SourceFileLoader("site_script", str(ROOT / "scripts" / "site"))
    module = module_from_spec(spec_from_loader("site_script", loader))
    loader.exec_module(module)
    return module


def test_every_link_of_every_page_leads_somewhere(site):
    assert site.broken_links(site.gather()) == []


def test_what_the_readme_links_to_is_there(site):
    assert ROOT / "docs" / "index.md" in site.gather()


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("[a](../CHANGELOG.md)", "[a](CHANGELOG.md)"),
        ("[a](../CONTRIBUTING.md#set-up-and-check)", "[a](CONTRIBUTING.md#set-up-and-check)"),
        ("[a](guide.md)", "[a](guide.md)"),
        ("[a](../src/tokengraft/bundled/model/README.md)", "a"),
        ("[a](https://example.org)", "[a](https://example.org)"),
        ("[a](#here)", "[a](#here)"),
        ("![a](images/report.png)", "![a](images/report.png)"),
        ("```\n[a](../CHANGELOG.md)\n```", "```\n[a](../CHANGELOG.md)\n```"),
    ],
)
def test_links_are_moved_with_their_pages(site, link, becomes):
    assert site.relinked(link, ROOT / "docs" / "export.md", site.gather()) == becomes


def test_a_page_in_a_folder(site):
    page = ROOT / "docs" / "howto" / "serve.md"
    assert site.relinked("[a](../../examples/vllm_ids.py)", page, site.gather()) == "[a](../examples/vllm-ids.md)"
    assert site.relinked("[a](../export.md)", page, site.gather()) == "[a](../export.md)"


def test_a_broken_link_is_found(site, tmp_path, monkeypatch):
    monkeypatch.setattr(site, "ROOT", tmp_path)
    (tmp_path / "README.md").write_text("[a](nowhere.md) [b](there.md) `[c](code.md)`")
    (tmp_path / "there.md").write_text("")
    assert site.broken_links({})[0] == "README.md: nowhere.md"


def test_navigation_takes_what_it_does_not_name(site):
    pages = {Path(name): Path(name) for name in ("a.md", "folder/b.md", "folder/c.md", "new.md")}
    found = site.navigation([{"A": "a.md"}, {"Folder": ["folder/c.md", "folder/"]}], pages)
    assert found == [{"A": "a.md"}, {"Folder": ["folder/c.md", "folder/b.md"]}, {"More": ["new.md"]}]


def test_programs_and_notebooks_become_pages(site, tmp_path):
    program = tmp_path / "one.py"
    program.write_text('"""Do it.\n\nMore.\n"""\n\nprint(1)\n')
    assert site.as_markdown(program) == "# Do it\n\n`examples/one.py`, run in the tests.\n\n```python\nprint(1)\n```\n"
    notebook = tmp_path / "two.ipynb"
    code = {"cell_type": "code", "source": ["1 + 1"], "outputs": [{"text": ["2\n"]}]}
    notebook.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": ["# Two"]}, code]}))
    assert site.as_markdown(notebook) == "# Two\n\n```python\n1 + 1\n```\n\n```text\n2\n```\n"


def test_llms_txt_points_at_what_is_there():
    text = (ROOT / "llms.txt").read_text()
    targets = [part.partition(")")[0] for part in text.split("](")[1:]]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []

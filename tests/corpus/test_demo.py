"""The demo's corpora: Python source on this machine, split by path alone, the domain apart from all general text."""

import ast
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest

from tokengraft.config import CorpusConfig, SharesConfig
from tokengraft.corpus import check_readable, require_parts, stream
from tokengraft.corpus import python_sources as sources
from tokengraft.corpus.formats import format_of
from tokengraft.corpus.formats.demo import TEXTS, DemoFormat
from tokengraft.errors import CorpusError


@pytest.fixture(scope="module")
def texts():
    """Everything that the three corpora hold, read once."""
    return {name: dict(read()) for name, read in TEXTS.items()}


def test_the_three_share_no_document_and_no_text(texts):
    domain, general, replay = (texts[f"demo:{name}"] for name in ("domain", "general", "replay"))
    assert not domain.keys() & general.keys()
    assert not domain.keys() & replay.keys()
    assert not general.keys() & replay.keys()
    known = {text for text in (*general.values(), *replay.values()) if len(text) > 200}
    assert not known & set(domain.values())


def test_general_text_is_the_standard_library_alone(texts):
    root = Path(sysconfig.get_paths()["stdlib"])
    for name in (*texts["demo:general"], *texts["demo:choice"], *texts["demo:replay"]):
        parts = Path(name).parts
        assert not {"site-packages", "dist-packages", "torch", "transformers"} & set(parts[:-1]), name
        assert (root / name).is_file()
    assert "json/decoder.py" in texts["demo:general"].keys() | texts["demo:replay"].keys()


def test_general_text_says_nothing_of_the_domain(texts):
    """Words of the domain that no file of the standard library has."""
    words = ("import torch", "from transformers", "hidden_states", "nn.Module")
    for name in ("demo:general", "demo:choice", "demo:replay"):
        assert not [path for path, text in texts[name].items() if any(word in text for word in words)]
    assert all(any(word in text for text in texts["demo:domain"].values()) for word in words)


def test_a_file_is_held_out_by_its_path_alone(texts):
    for name, held in (("demo:general", True), ("demo:choice", True), ("demo:replay", False)):
        assert all((sources.path_bucket(path) < sources.HELDOUT_PERCENT) == held for path in texts[name])
    # The same on every machine and under every version: figures of the model card hang on it.
    names = ("json/decoder.py", "abc.py", "asyncio/tasks.py", "difflib.py")
    assert [sources.path_bucket(name) for name in names] == [39, 78, 93, 11]
    held = len(texts["demo:general"]) + len(texts["demo:choice"])
    assert 0.02 < held / (held + len(texts["demo:replay"])) < 0.06


def test_settings_are_chosen_on_other_text_than_figures_are_reported_on(texts):
    reported, choice = texts["demo:general"], texts["demo:choice"]
    assert len(reported) > 5
    assert len(choice) > 5
    assert not reported.keys() & choice.keys()
    assert reported.keys() | choice.keys() == dict(sources.general_texts(heldout=True)).keys()


def test_the_split_does_not_depend_on_what_else_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(sources.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    for index in range(200):
        (tmp_path / f"m{index}.py").write_text(f"x = {index}\n")
    held = dict(sources.general_texts(heldout=True))
    for index in range(0, 200, 2):
        (tmp_path / f"m{index}.py").unlink()
    (tmp_path / "m1.py").write_text("something else\n")
    again = dict(sources.general_texts(heldout=True))
    assert 0 < len(held) < 30
    assert set(again) == {name for name in held if int(name[1:-3]) % 2}


def test_what_is_left_out_of_the_standard_library(tmp_path, monkeypatch):
    monkeypatch.setattr(sources.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    for name in ("a.py", "site-packages/b.py", "x/encodings/c.py", "x/y/d.py", "pydoc_data/e.py", "f.txt", "g.py/h"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / "latin.py").write_bytes("# é\n".encode("latin-1"))
    (tmp_path / "empty.py").write_text(" \n")
    found = [name for side in (True, False) for name, _ in sources.general_texts(heldout=side)]
    assert sorted(found) == ["a.py", "x/y/d.py"]


def test_documents_come_in_the_order_of_their_paths(texts):
    for name in ("demo:general", "demo:choice", "demo:replay"):
        assert list(texts[name]) == [path.as_posix() for path in sorted(map(Path, texts[name]))]


def test_the_domain_is_large_enough_and_python(texts):
    domain = texts["demo:domain"]
    assert sum(len(text) for text in domain.values()) > 5_000_000
    assert {name.partition("/")[0] for name in domain} == {"transformers", "torch"}
    for name in sorted(domain)[::100]:
        ast.parse(domain[name])


def test_torchs_tests_and_compiler_are_left_out(texts):
    folders = {part for name in texts["demo:domain"] for part in name.split("/")[1:-1]}
    assert not folders & {"testing", "_inductor", "_dynamo", "onnx", "__pycache__"}


BANNERS = (
    "#                🚨🚨🚨🚨🚨\n#   made by a program\n#\n#     🚨🚨🚨\nimport a\n",
    "# 🚨\n#🚨🚨\nimport a\n",
)
KEPT = ("# a licence\n# 🚨 not a line of its own\nimport a\n", "import a\n# 🚨\n# x\n# 🚨\n", "# 🚨\nimport a\n", "")


@pytest.mark.parametrize("text", BANNERS)
def test_a_banner_is_taken_off(text):
    assert sources.BANNER.sub("", text) == "import a\n"


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_banner_stays(text):
    assert sources.BANNER.sub("", text) == text


def test_no_document_has_a_banner_though_files_do(texts):
    root = Path(find_spec("transformers").submodule_search_locations[0])
    banners = 0
    for name, text in texts["demo:domain"].items():
        assert "🚨🚨🚨" not in text[:400], name
        package, _, path = name.partition("/")
        if package == "transformers":
            raw = (root / path).read_text(encoding="utf-8")
            banners += raw != text
            assert raw.endswith(text), "nothing else is taken off"
    assert banners > 20


def test_a_package_that_is_not_installed_is_passed_over(monkeypatch):
    monkeypatch.setattr(sources, "find_spec", lambda _: None)
    assert list(sources.domain_texts()) == []
    with pytest.raises(CorpusError):
        check_readable(CorpusConfig("demo:domain"))


@pytest.mark.parametrize("name", TEXTS)
def test_each_is_a_corpus_like_any_other(name, texts):
    config = CorpusConfig(name)
    assert format_of(name) is DemoFormat
    check_readable(config)
    documents = {document.name: document.text for document in stream(config)}
    assert documents == texts[name]
    assert len(list(stream(CorpusConfig(name, max_documents=3)))) == 3


def test_the_domain_can_be_split():
    require_parts(CorpusConfig("demo:domain"), SharesConfig())


@pytest.mark.parametrize("name", ["demo:nothing", "demo:", "demo", "demo:domain/"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(CorpusError, match="nothing at"):
        check_readable(CorpusConfig(name))

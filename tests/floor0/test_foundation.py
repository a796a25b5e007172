"""Errors, registries and what importing the package costs."""

import pickle
import subprocess
import sys

import pytest

from tokengraft.errors import ConfigError, CorpusError
from tokengraft.registry import Registry


def test_an_error_survives_the_trip_between_processes():
    error = pickle.loads(pickle.dumps(CorpusError(found="a", expected="b", do="c")))
    assert (type(error), error.found, error.expected, error.do) == (CorpusError, "a", "b", "c")


def test_a_registry_discovers_the_files_of_its_package(tmp_path, monkeypatch):
    package = tmp_path / "greetings_for_test"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from tokengraft.registry import Registry\nmethods = Registry('greeting', 'greetings_for_test')\n"
    )
    (package / "plain.py").write_text(
        "from greetings_for_test import methods\n\n@methods.register('plain', paper='none')\n"
        "def plain():\n    '''Says hello.'''\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import greetings_for_test

    assert [(entry.name, entry.summary, entry.paper) for entry in greetings_for_test.methods] == [
        ("plain", "Says hello.", "none")
    ]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match="one of"):
        Registry("thing").get("x")


def fresh(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "module", ["tokengraft", "tokengraft.cli", "tokengraft.corpus", "tokengraft.tokenizer", "tokengraft.reporting"]
)
def test_torch_and_transformers_stay_out(module):
    code = f"import sys, {module}; print([name for name in ('torch', 'transformers') if name in sys.modules])"
    assert fresh(code).strip() == "[]"


def test_extending_a_tokenizer_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None; import tokengraft as tg; print(tg.extend_tokenizer.__name__)"
    assert fresh(code).strip() == "extend_tokenizer"

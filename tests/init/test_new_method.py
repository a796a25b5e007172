"""A new initialiser is one new file: help, docs table and contract tests find it, with nothing else touched."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
METHOD = '''"""Rows of ones."""

import torch

from tokengraft.init import initialisers


@initialisers.register("all-ones", paper="none")
def all_ones(table, tokens, context):
    """Rows of ones, to see that they are found."""
    del context
    return torch.ones(len(tokens), table.shape[1])
'''


@pytest.fixture
def project(tmp_path):
    """A copy of what matters of the project, with one file more."""
    for part in ("src", "scripts", "docs", "tests/init", "tests/conftest.py", "pyproject.toml"):
        source, target = PROJECT / part, tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "images"))
        else:
            shutil.copy(source, target)
    (tmp_path / "src/tokengraft/init/all_ones.py").write_text(METHOD)
    return tmp_path


def run(project, *command):
    environment = {**os.environ, "PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout


def test_one_file_is_all_that_a_new_initialiser_takes(project):
    assert "all-ones" in run(project, "-m", "tokengraft", "graft", "--help")
    assert "all-ones" not in (project / "docs/methods.md").read_text()
    run(project, "scripts/tables")
    assert (
        "| `all-ones` | Rows of ones, to see that they are found. | none |" in (project / "docs/methods.md").read_text()
    )
    tests = run(project, "-m", "pytest", "-q", "-n", "0", "-k", "all-ones", "tests/init/test_initialisers.py", "-rA")
    for name in ("test_contract[all-ones-inputs]", "test_contract[all-ones-head]"):
        assert name in tests
    assert "test_contract_on_models[" in tests
    assert "failed" not in tests

"""The names of the package: there, in one place, and for the type checker as well."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tokengraft as tg

SOURCE = Path(tg.__file__)


def for_the_type_checker():
    """Module of each name that is imported under TYPE_CHECKING."""
    tree = ast.parse(SOURCE.read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        alias.asname: statement.module.removeprefix("tokengraft.")
        for statement in block.body
        for alias in statement.names
        if alias.name == alias.asname
    }


@pytest.mark.parametrize("name", tg.__all__)
def test_every_name_is_there(name):
    assert getattr(tg, name).__doc__


def test_names_are_the_same_everywhere():
    assert for_the_type_checker() == tg._ROOMS
    assert sorted(tg.__all__) == list(tg.__all__) == sorted(tg._ROOMS) == dir(tg)


def test_no_room_stands_where_a_name_does():
    """Importing `tokengraft.x` sets `tg.x`: a room of that name would take a function's place."""
    rooms = {path.stem for path in SOURCE.parent.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert {"special", "interpret"} < rooms
    assert rooms & set(tg._ROOMS) == set()


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'expnad'"):
        _ = tg.expnad


def test_tokenizer_work_does_not_wait_for_torch():
    script = "import sys, tokengraft as tg; tg.extend_tokenizer, tg.align, tg.RunConfig; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr

"""Models of the interpretation's tests."""

import pytest


@pytest.fixture
def untied():
    """A tiny Llama whose head is a table of its own."""
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    spec = spec_from_file_location("shared_conftest", Path(__file__).resolve().parents[1] / "conftest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_model("llama-untied")

"""The run folders that pages are drawn from are made in one place."""

import importlib.util
from pathlib import Path

_PLACE = Path(__file__).parent.parent / "reporting" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("reporting_conftest", _PLACE)
_MADE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MADE)

make_run, measured_folder = _MADE.make_run, _MADE.measured_folder

"""The statistics are quick to load: neither torch nor scipy for their names alone."""

import subprocess
import sys


def test_nothing_heavy_is_loaded():
    script = "import sys, tokengraft.statistics as s; s.holm([0.1]); print({'torch', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

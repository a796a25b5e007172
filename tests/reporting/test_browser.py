"""The page in a real browser, where there is one: the script runs under its own policy, and nothing complains."""

import shutil
import subprocess

import pytest

from tokengraft.reporting import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH: the page is not tried in a browser")
def test_the_script_runs_and_the_console_is_silent(run_folder, tmp_path):
    page = write_report(run_folder)
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--enable-logging=stderr", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert 'aria-label="Filter the new tokens"' in done.stdout  # made by the script
    assert "<button" in done.stdout
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []

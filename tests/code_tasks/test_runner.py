"""The runner against programs that are wrong in every way that programs are, and against some that mean harm."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokengraft.evaluation.code_tasks.runner import Isolation, Limits, Program, Runner, isolation

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits are tried on Linux")

CASES = {
    "right": ("assert 1 + 1 == 2", "passed", ""),
    "wrong": ("assert 1 + 1 == 3", "failed", "AssertionError"),
    "exception": ("raise KeyError('x')", "error", "KeyError"),
    "exit": ("import sys\nsys.exit(0)", "exited", "SystemExit"),
    "exit at once": ("import os\nos._exit(0)", "exited", "exit code 0"),
    "exit in a thread": ("import os, threading\nthreading.Thread(target=os._exit, args=(0,)).start()\nwhile True: pass",
                         "exited", "exit code 0"),
    "kills itself": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "killed", "signal 9"),
    "100 GB": ("x = bytearray(100 * 2**30)", "memory", "MemoryError"),
    "1 GB file": ("with open('x', 'wb') as f:\n    for _ in range(1024): f.write(bytes(2**20))",
                  "error", "File too large"),
    "1 TB sparse file": ("with open('x', 'wb') as f: f.truncate(2**40)", "error", "File too large"),
    "input": ("input()", "error", "EOFError"),
    "deep recursion": ("def f(): f()\nf()", "error", "RecursionError"),
    "syntax": ("def f(:", "syntax", "SyntaxError"),
    "NUL": ("x = 1\0", "syntax", "null bytes"),
    "lone surrogate": ("x = '\ud800'", "syntax", "surrogates not allowed"),
    "declared encoding": ("# coding: ascii\nassert 'ü' == '\\u00fc'", "passed", ""),
    "output flood": ("import sys\nfor _ in range(200_000): print('x' * 99); sys.stderr.write('y' * 99)", "passed", ""),
    "prints a pass": ("print('passed')\nraise SystemExit", "exited", ""),
    "guesses": ("import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'0' * 32 + b'\\npassed')\n"
                "    except OSError: pass\nos._exit(0)", "exited", ""),
    "fills the pipe": ("import os\nfor fd in range(3, 64):\n    try:\n        os.set_blocking(fd, False)\n"
                       "        while True: os.write(fd, b'0' * 4096)\n    except OSError: pass", "exited", ""),
    "an error that cannot be told": ("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", "error", "E"),
    "bare except": ("try:\n    raise SystemExit\nexcept BaseException: pass", "passed", ""),
    "main guard": ("if __name__ == '__main__': raise ValueError", "passed", ""),
    "puts other functions in the way": ("import os\nos.write = os.read = os._exit = None", "passed", ""),
    "leaves a thread": ("import threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()", "passed", ""),
    "no network": ("import socket\nsocket.create_connection(('192.0.2.1', 80), 1)", "error", ""),
    "asks itself": ("import socket\ns = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
                    "socket.create_connection(s.getsockname(), 2).close(); s.close()", "passed", ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def runner():
    return Runner(limits=Limits(memory_bytes=2**30, processes=16))


@pytest.mark.parametrize("case", CASES)
def test_what_became_of_it(runner, case):
    source, status, detail = CASES[case]
    verdict = runner.run(Program(source, seconds=20))
    assert (verdict.status, detail in verdict.detail) == (status, True), verdict
    assert verdict.passed == (status == "passed")


def test_an_endless_loop_ends(runner):
    assert runner.run(Program("while True: pass", seconds=0.5)).status == "timeout"


def test_sleeping_is_no_excuse(runner):
    assert runner.run(Program("import time\ntime.sleep(99)", seconds=0.5)).status == "timeout"


def test_a_small_fork_bomb_is_defused(runner):
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    assert runner.run(Program(bomb, seconds=20)).status in {"processes", "timeout"}
    assert runner.run(Program("")).passed


def processes_with(mark):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found += [folder.name] if mark.encode() in (folder / "cmdline").read_bytes() else []
        except OSError:
            continue
    return found


ORPHAN = """
import os, subprocess, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", {mark!r}], start_new_session=True)
        import time; time.sleep(600)
    os._exit(0)
"""


@pytest.mark.parametrize("walls", ["as they are", "none"])
def test_no_child_is_left(runner, monkeypatch, walls):
    if walls == "none":
        none = Isolation(network=False, processes=False)
        monkeypatch.setattr("tokengraft.evaluation.code_tasks.runner.run.isolation", lambda: none)
    mark = f"orphan-{os.getpid()}-{time.time_ns()}"
    verdict = runner.run(Program(ORPHAN.format(mark=mark) + "import time\ntime.sleep(0.2)", seconds=20))
    assert verdict.passed, verdict
    assert processes_with(mark) == []


@pytest.mark.parametrize("case", ["right", "wrong", "exit", "100 GB", "NUL", "guesses"])
def test_the_same_without_namespaces(runner, monkeypatch, case):
    none = Isolation(network=False, processes=False)
    monkeypatch.setattr("tokengraft.evaluation.code_tasks.runner.run.isolation", lambda: none)
    source, status, _ = CASES[case]
    assert runner.run(Program(source, seconds=20)).status == status


def test_nothing_lies_about_afterwards(runner, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    messy = (
        "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').write('x')\nos.chmod('a', 0o500)\nopen('../d', 'w').close()"
    )
    assert runner.run(Program(messy)).passed
    left = list(tmp_path.rglob("*"))
    assert left == [] or os.getuid() != 0


def test_the_environment_is_scrubbed(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("NLTK_DATA", "/somewhere")
    seen = "import os\nassert 'HF_TOKEN' not in os.environ\nassert os.environ['HOME'] == os.getcwd()\n"
    assert Runner().run(Program(seen + "assert 'NLTK_DATA' not in os.environ")).passed
    assert Runner(keep=["NLTK_DATA"]).run(Program(seen + "assert os.environ['NLTK_DATA'] == '/somewhere'")).passed


def test_nothing_of_ours_can_be_imported():
    """The folder of the driver must not be on the path: its neighbours would hide modules of the same name."""
    hidden = "for name in ('isolation', 'supervisor', 'program'):\n    try: __import__(name)\n"
    hidden += "    except ImportError: continue\n    raise ValueError(name)"
    assert Runner().run(Program(hidden)).passed


@pytest.mark.skipif(not isolation().processes, reason="no namespace of processes here")
def test_programs_see_only_themselves():
    alone = "import os\nassert sum(name.isdigit() for name in os.listdir('/proc')) <= 2\nassert os.getppid() == 1"
    assert Runner().run(Program(alone)).passed


def test_many_at_once_and_each_its_own():
    programs = [(number, Program(f"assert {number} % 3")) for number in range(12)]
    verdicts = dict(Runner(workers=4).run_all(programs))
    assert {number for number, verdict in verdicts.items() if verdict.passed} == {n for n in range(12) if n % 3}


def test_programs_are_taken_as_they_are_needed():
    taken = []

    def programs():
        for number in range(50):
            taken.append(number)
            yield number, Program("")

    running = Runner(workers=2).run_all(programs())
    next(running)
    running.close()
    assert len(taken) < 10


def test_a_runner_can_be_used_again_after_a_stop():
    runner = Runner()
    running = runner.run_all([(0, Program("")), (1, Program(""))])
    next(running)
    running.close()
    assert dict(runner.run_all([(2, Program(""))]))[2].passed


UNIT = "import unittest\nclass TestCases(unittest.TestCase):\n    def test_it(self):\n        "


@pytest.mark.parametrize(
    ("source", "status"),
    [
        (UNIT + "self.assertEqual(1, 1)", "passed"),
        (UNIT + "self.assertEqual(1, 2)", "failed"),
        (UNIT + "raise SystemExit(0)", "failed"),
        (UNIT + "raise unittest.SkipTest", "failed"),
        (UNIT + "import __test__; assert __test__.TestCases is type(self)", "passed"),
        (UNIT + "assert __name__ == '__test__' and exit is None", "passed"),
        ("class TestCases: pass", "failed"),
        ("x = 1", "error"),
        ("import unittest\nclass TestCases(unittest.TestCase): pass", "failed"),
        (UNIT + "import os; os._exit(0)", "exited"),
    ],
)
def test_unit_tests(runner, source, status):
    assert runner.run(Program(source, mode="unittest")).status == status


def test_a_failed_test_is_told_on_one_line(runner):
    verdict = runner.run(Program(UNIT + "raise ValueError('first\\n    second')", mode="unittest"))
    assert verdict.detail == "1 of 1 tests; test_it: ValueError: first second"


def test_a_missing_interpreter_is_our_defect():
    assert Runner("/nowhere/python").run(Program("")).status == "defect"


@settings(max_examples=8)
@given(st.text(max_size=40))
def test_any_text_gets_a_verdict(text):
    """And the same one that Python itself would give it."""
    try:
        compile(text, "x", "exec")
        refused = False
    except (SyntaxError, ValueError):
        refused = True
    assert (Runner().run(Program(text, seconds=20)).status == "syntax") == refused


def test_time_in_which_no_processor_was_free_does_not_count():
    work = "import time\nwhile time.process_time() < 0.4: pass"
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        assert Runner().run(Program(work, seconds=1.0)).passed
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_limits_are_the_users():
    small = replace(Limits(), file_bytes=1000)
    assert not Runner(limits=small).run(Program("with open('x', 'wb') as f: f.write(bytes(2000))")).passed

"""One program, one verdict."""

import json
import math
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from tokengraft.evaluation.code_tasks.runner.isolation import QUICK, SUPERVISOR, isolation
from tokengraft.evaluation.code_tasks.runner.program import Limits, Program, Status, Verdict

DRIVER = Path(__file__).with_name("driver.py")
MOST_WAITING = 10
"""As in the supervisor."""
GRACE = 20.0
"""Seconds beyond a program's own, and beyond those it may wait for a processor, that its supervisor gets."""
ANSWER = 65_536
NOT_STARTED = 97
"""Exit code of the supervisor's child where it could not become the program."""
STATUSES: frozenset[Status] = frozenset({"failed", "error", "syntax", "exited", "memory"})
"""What a program's own process may say of itself; success needs the secret."""
Key = TypeVar("Key")


class Runner:
    """Runs programs with one interpreter under one set of limits."""

    def __init__(
        self, python: str | None = None, *, limits: Limits | None = None, keep: Iterable[str] = (), workers: int = 1
    ) -> None:
        """`python` is the grader's interpreter; `keep` names environment variables that programs may see."""
        self.python = python or sys.executable
        self.limits = limits or Limits()
        self.workers = workers
        self._kept = {name: os.environ[name] for name in keep if name in os.environ}
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, program: Program) -> Verdict:
        """How the program ended; nothing of it is left, neither processes nor files."""
        secret = secrets.token_hex(16).encode()
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="tokengraft-", ignore_cleanup_errors=True) as place:
            folder = Path(place)
            (folder / "work").mkdir()
            (folder / "program.py").write_bytes(program.encoded())
            ended, answer = self._supervise(program, folder, secret)
        seconds = time.perf_counter() - begun
        return Verdict(*_judged(ended, answer, secret, program), seconds)

    def run_all(self, programs: Iterable[tuple[Key, Program]]) -> Iterator[tuple[Key, Verdict]]:
        """Verdicts as they come, several at a time; programs are taken from the iterable only as they are needed."""
        waiting, self._stopped = iter(programs), False
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                jobs = {pool.submit(self.run, item): key for key, item in islice(waiting, 2 * self.workers)}
                while jobs:
                    done, _ = wait(jobs, return_when=FIRST_COMPLETED)
                    for job in done:
                        yield jobs.pop(job), job.result()
                    jobs |= {pool.submit(self.run, item): key for key, item in islice(waiting, len(done))}
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                self._stop()

    def _supervise(self, program: Program, folder: Path, secret: bytes) -> tuple[dict[str, Any], bytes]:
        """What the supervisor says, and what the program's process wrote into its pipe."""
        reading, writing = os.pipe()
        asked, answering = os.pipe()
        try:
            os.write(writing, secret)
            os.close(writing)
            os.set_blocking(asked, False)
            settings = self._settings(program, folder, reading, answering)
            said = self._started(settings, (reading, answering), (1 + MOST_WAITING) * program.seconds + GRACE)
            with suppress(BlockingIOError):
                return said, os.read(asked, ANSWER)
            return said, b""
        finally:
            for descriptor in (reading, asked, answering):
                os.close(descriptor)

    def _started(self, settings: dict[str, Any], descriptors: tuple[int, int], seconds: float) -> dict[str, Any]:
        command = [sys.executable, *QUICK, str(SUPERVISOR), json.dumps(settings)]
        with self._lock:
            if self._stopped:
                return {"ended": "defect", "message": "stopped"}
            # A session of its own: Ctrl-C reaches us, and we end it.
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and file; the program is run under limits
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                pass_fds=descriptors, start_new_session=True, errors="replace",
            )  # fmt: skip
            self._running.add(process)
        try:
            output, complaint = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return {"ended": "time", "code": 0}
        finally:
            with self._lock:
                self._running.discard(process)
        said = output.strip().rpartition("\n")[2]
        if not said:
            return {"ended": "defect", "message": complaint.strip() or "the supervisor was ended"}
        return {**json.loads(said), "complaint": complaint.strip()}

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()

    def _settings(self, program: Program, folder: Path, secret: int, answer: int) -> dict[str, Any]:
        own, seconds = isolation(), program.seconds
        file = str(folder / "program.py")
        return {
            "isolation": {"network": own.network, "processes": own.processes},
            "command": [self.python, "-s", "-B", str(DRIVER), program.mode, file, str(secret), str(answer)],
            "environment": self._environment(folder / "work"),
            "folder": str(folder / "work"),
            "seconds": seconds,
            "processes": self.limits.processes,
            "limits": {
                "RLIMIT_CPU": math.ceil(seconds) + 1,
                "RLIMIT_AS": self.limits.memory_bytes,
                "RLIMIT_FSIZE": self.limits.file_bytes,
                "RLIMIT_NOFILE": self.limits.open_files,
                "RLIMIT_CORE": 0,
            },
        }

    def _environment(self, work: Path) -> dict[str, str]:
        """No variable of the user's but those asked for: no token, no proxy, no path into the user's home."""
        threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
        return {
            "PATH": os.pathsep.join([os.path.dirname(os.path.abspath(self.python)), "/usr/local/bin:/usr/bin:/bin"]),
            "HOME": str(work), "TMPDIR": str(work), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC",
            "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0",
            "CUDA_VISIBLE_DEVICES": "-1", **dict.fromkeys(threads, "1"), **self._kept,
        }  # fmt: skip


OTHERWISE: dict[str, tuple[Status, str]] = {
    "defect": ("defect", "{message}"),
    "time": ("timeout", "not done after {seconds:g} s"),
    "processes": ("processes", "more processes than allowed"),
    "signal": ("killed", "ended by signal {code}"),
}
"""Ends that are not the program's own."""


def _judged(ended: dict[str, Any], answer: bytes, secret: bytes, program: Program) -> tuple[Status, str]:
    if ended["ended"] in OTHERWISE:
        status, text = OTHERWISE[ended["ended"]]
        return status, text.format(seconds=program.seconds, **ended)
    if answer == secret + b"\npassed" and ended["code"] == 0:
        return "passed", ""
    kind, _, text = answer.decode("utf-8", "replace").partition("\n")
    if ended["code"] == 0 and kind in STATUSES:
        return kind, text
    if ended["code"] == NOT_STARTED:
        return "defect", ended.get("complaint") or "the interpreter could not be started"
    return "exited", f"ended with exit code {ended['code']} before its tests did"

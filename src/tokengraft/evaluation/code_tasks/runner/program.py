"""What is run, under which limits, and what came of it."""

from dataclasses import dataclass
from typing import Literal

Mode = Literal["exec", "unittest"]
Status = Literal[
    "passed", "failed", "error", "syntax", "exited", "timeout", "memory", "killed", "processes", "context", "defect"
]


@dataclass(frozen=True, slots=True)
class Program:
    """Source of a program that ends without an exception where it is right."""

    source: str
    mode: Mode = "exec"
    """`exec`: run as it is; `unittest`: then its class `TestCases` is run, as BigCodeBench does."""
    seconds: float = 10.0
    """Wall time that it may take, imports included; time in which it waited for a processor does not count."""

    def encoded(self) -> bytes:
        """The bytes of the file: models write NULs and lone surrogates, and neither may end the evaluation."""
        return self.source.encode("utf-8", errors="surrogatepass")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use. Each holds for every process of it, `processes` for all together."""

    memory_bytes: int = 8 * 2**30
    """Address space: libraries reserve more than they use."""
    file_bytes: int = 100 * 2**20
    """Size of any one file."""
    processes: int = 64
    open_files: int = 512


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a program ended. Only `passed` is success, and only the secret that came back makes it so."""

    status: Status
    detail: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the tests were run to their end and none failed."""
        return self.status == "passed"

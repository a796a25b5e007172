"""Runs one program and says how it ended. A script of its own, for any Python from 3.8 on: the grader's interpreter
may be another than ours, so nothing of tokengraft is imported here.

Called as `driver.py MODE PROGRAM SECRET ANSWER`. MODE is `exec` or `unittest`, PROGRAM the file, the other two are
descriptors of pipes. The secret is read only after the tests have passed, and written back with the answer: a program
that ends the process itself, with whatever exit code, or that prints whatever it likes, has not passed.
"""

import builtins
import os
import sys
import types

LONGEST = 2000
"""Characters of a message that are kept: with the rest the answer fits into a pipe that nobody reads yet."""
NAME = "__test__"


# Bound before the program can put others in their place.
read, write, leave = os.read, os.write, os._exit


def main() -> None:
    """Runs the program, answers, and ends the process at once: its threads and exit handlers do not matter."""
    mode, path, secret, answer = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    del sys.path[0], sys.argv[1:]
    try:
        message = MODES[mode](_source(path))
    except BaseException as error:  # SystemExit and whatever else a program may raise
        message = _described(error)
    if message is None:
        write(answer, read(secret, 64) + b"\npassed")
    else:
        write(answer, message.encode("utf-8", "backslashreplace"))
    leave(0)


def _source(path: str) -> str:
    with open(path, "rb") as handle:
        # As text: in bytes a comment could declare another encoding. Lone surrogates are refused by the compiler.
        return handle.read().decode("utf-8", "surrogatepass")


def run(source: str) -> None:
    """The program as it is; None where it ran to its end."""
    # Without `__name__`, as the benchmarks' own graders run it: what stands under a main guard is not run.
    exec(compile(source, "<program>", "exec"), {})  # noqa: S102 - what this file is for


def run_unittest(source: str) -> "str | None":
    """The program as a module, then its `TestCases`; None where no test failed. As BigCodeBench's own grader does."""
    import unittest  # noqa: PLC0415

    vars(builtins).update(exit=None, quit=None)
    module = types.ModuleType(NAME)
    module.__dict__.update(
        __builtins__=builtins, __file__=NAME + ".py", __package__=None, __doc__=None, sys=sys, os=os, environ=os.environ
    )
    exec(compile(source, NAME + ".py", "exec"), module.__dict__)  # noqa: S102
    sys.modules[NAME] = module
    suite = unittest.TestLoader().loadTestsFromTestCase(module.TestCases)
    result = unittest.TestResult()
    suite.run(result)
    issues = result.failures + result.errors
    if issues:
        test, trace = issues[0]
        return f"failed\n{len(issues)} of {result.testsRun} tests; {test.id().split('.')[-1]}: {_message(trace)}"
    return None if result.testsRun > len(result.skipped) else "failed\nno test was run"


def _message(trace: str) -> str:
    """What stands below the last frame of a traceback, on one line."""
    lines = trace.strip().split("\n")
    frames = [place for place, line in enumerate(lines) if line.startswith('  File "')]
    below = lines[frames[-1] + 1 :] if frames else lines
    while len(below) > 1 and below[0].startswith("    "):
        below = below[1:]
    return " ".join(" ".join(below).split())[:LONGEST]


MODES = {"exec": run, "unittest": run_unittest}


def _described(error: BaseException) -> str:
    """Kind and message of an exception; a program's own may have a `__str__` that fails."""
    kind = {SyntaxError: "syntax", SystemExit: "exited", MemoryError: "memory", AssertionError: "failed"}
    name = next((kind[known] for known in kind if isinstance(error, known)), "error")
    if isinstance(error, ValueError) and type(error) in (ValueError, UnicodeEncodeError) and error.__traceback__:
        # The compiler's refusal of a NUL or a lone surrogate is no SyntaxError.
        name = "syntax" if error.__traceback__.tb_next and _compiling(error.__traceback__) else name
    try:
        text = f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST]}"
    except BaseException:
        text = type(error).__name__
    return name + "\n" + text


def _compiling(trace: types.TracebackType) -> bool:
    while trace.tb_next:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_name in ("run", "run_unittest")


if __name__ == "__main__":
    main()

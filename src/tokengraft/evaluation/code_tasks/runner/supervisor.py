"""Stands between us and one program: takes its network and its sight of other processes, sets its limits, ends it.

A script of its own, started with the standard library alone. Called as `supervisor.py SETTINGS`, a JSON mapping.
It leaves no process behind. Where the kernel allows a namespace of processes, the kernel itself ends all that are in
it; elsewhere orphans come back to this process (PR_SET_CHILD_SUBREAPER), which ends them one by one.

It prints one JSON mapping: `ended` is `exit` or `signal` with its number as `code`, `time` or `processes` where a limit
was passed, or `defect` with a `message` where it could not do its work. Whether the program passed, it does not know.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

Settings = dict[str, Any]

NOT_STARTED = 97
MOST_WAITING = 10
"""Times its own limit that a program may have waited for a processor."""
LOOK = 0.03
"""Seconds between two looks at the number of processes."""
NEWNS, NEWUSER, NEWPID, NEWNET, NEWIPC = 0x00020000, 0x10000000, 0x20000000, 0x40000000, 0x08000000
REC, PRIVATE = 0x4000, 0x40000
PDEATHSIG, SUBREAPER, NO_NEW_PRIVILEGES, DROP_CAPABILITY = 1, 36, 38, 24
LAST_CAPABILITY = 63
SET_FLAGS, GET_FLAGS, UP = 0x8914, 0x8913, 1


def main() -> None:
    """Runs one program under the settings given, and prints how it ended."""
    settings = json.loads(sys.argv[1])
    try:
        _die_with_parent()
        own = settings["isolation"]
        if own["network"] or own["processes"]:
            _leave(own)
        if own["processes"]:
            _with_namespace(settings)
        else:
            _without_namespace(settings)
    except BaseException as error:  # whatever it is, who called must hear of it
        _say(ended="defect", message=f"{type(error).__name__}: {error}")


def _with_namespace(settings: Settings) -> None:
    first = os.fork()
    if first:
        os.waitpid(first, 0)
        return
    # Process 1 of the namespace: when it ends, the kernel ends every other process in it.
    try:
        _die_with_parent()
        # Programs that look for themselves in /proc must not find the numbers of other processes there.
        _checked(_libc().mount(b"proc", b"/proc", b"proc", 0, None), "mount /proc")
        _say(**_watch(settings, _start(settings)))
    except BaseException as error:  # nothing may return into the parent's code
        _say(ended="defect", message=f"{type(error).__name__}: {error}")
    os._exit(0)


def _without_namespace(settings: Settings) -> None:
    _control(SUBREAPER, 1)
    result = _watch(settings, _start(settings))
    _end_orphans()
    _say(**result)


def _say(**result: object) -> None:
    os.write(1, (json.dumps(result) + "\n").encode())


def _start(settings: Settings) -> int:
    """The number of the process that became the program."""
    child = os.fork()
    if child:
        return child
    saved = os.dup(2)
    try:
        os.setsid()
        _die_with_parent()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        for name, value in settings["limits"].items():
            _limit(getattr(resource, name), value)
        _give_up_rights()
        os.chdir(settings["folder"])
        os.execve(settings["command"][0], settings["command"], settings["environment"])  # noqa: S606
    except BaseException as error:
        os.write(saved, f"{type(error).__name__}: {error}".encode())
    os._exit(NOT_STARTED)


def _watch(settings: Settings, child: int) -> dict[str, object]:
    """How the program ended: by itself, or by us because its time was up or it had become too many."""
    begun, allowed, pause = time.monotonic(), settings["seconds"], 0.001
    while True:
        number, status = os.waitpid(-1, os.WNOHANG)
        if number == child:
            signalled = os.WIFSIGNALED(status)
            code = os.WTERMSIG(status) if signalled else os.WEXITSTATUS(status)
            return {"ended": "signal" if signalled else "exit", "code": code}
        if number:
            continue  # an orphan that came to us
        spent = time.monotonic() - begun
        over = "time" if spent > allowed and spent > allowed + min(_waited(child), MOST_WAITING * allowed) else None
        if _descendants(os.getpid(), settings["processes"]) > settings["processes"]:
            over = "processes"
        if over:
            for send in (os.killpg, os.kill):
                _signal(child, signal.SIGKILL, send)
            return {"ended": over, "code": 0}
        time.sleep(pause)
        pause = min(LOOK, pause * 2)


def _waited(number: int) -> float:
    """Seconds that a process was ready and got no processor: a busy machine does not make a program slow."""
    try:
        with open(f"/proc/{number}/schedstat", "rb") as handle:
            return int(handle.read().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _end_orphans() -> None:
    """Kills what is left below this process. A fork bomb is stopped first, so that it cannot fill up again."""
    while True:
        left = _children(os.getpid())
        for number in _tree(left):
            _signal(number, signal.SIGSTOP)
        for number in _tree(_children(os.getpid())):
            _signal(number, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG if left else 0)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def _signal(number: int, which: int, send: Callable[[int, int], None] = os.kill) -> None:
    with suppress(OSError):  # it has ended
        send(number, which)


def _tree(numbers: list[int]) -> Iterator[int]:
    for number in numbers:
        yield number
        yield from _tree(_children(number))


def _descendants(root: int, enough: int) -> int:
    """Number of processes below one; counting stops when there are more than enough."""
    count, waiting = 0, [root]
    while waiting and count <= enough:
        found = _children(waiting.pop())
        count += len(found)
        waiting += found
    return count


def _children(number: int) -> list[int]:
    """Direct children of a process, of whichever of its threads."""
    found = []
    try:
        for thread in os.listdir(f"/proc/{number}/task"):
            with open(f"/proc/{number}/task/{thread}/children", "rb") as handle:
                found += [int(word) for word in handle.read().split()]
    except OSError:
        pass
    return found


def _leave(own: dict[str, bool]) -> None:
    """Goes into namespaces of its own: as the same user, with a network that has nothing but itself in it."""
    user, group = os.getuid(), os.getgid()
    flags = NEWUSER | (NEWNET if own["network"] else 0) | (NEWPID | NEWNS | NEWIPC if own["processes"] else 0)
    _checked(_libc().unshare(flags), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as handle:
            handle.write(text)
    if own["processes"]:
        _checked(_libc().mount(b"none", b"/", None, REC | PRIVATE, None), "private mounts")
    if own["network"]:
        _loopback_up()


def _loopback_up() -> None:
    """Programs may serve and ask themselves."""
    import fcntl  # noqa: PLC0415
    import socket  # noqa: PLC0415
    import struct  # noqa: PLC0415

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        asked = struct.pack("16sH14s", b"lo", 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(handle, GET_FLAGS, asked))[1]
        fcntl.ioctl(handle, SET_FLAGS, struct.pack("16sH14s", b"lo", flags | UP, b""))


def _give_up_rights() -> None:
    _control(NO_NEW_PRIVILEGES, 1)
    for capability in range(LAST_CAPABILITY + 1):
        _control(DROP_CAPABILITY, capability)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    least = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (least, least))


def _die_with_parent() -> None:
    _control(PDEATHSIG, signal.SIGKILL)


def _control(option: int, value: int) -> None:
    """prctl; where there is none, or it refuses, the program does without."""
    if sys.platform == "linux":
        _libc().prctl(option, value, 0, 0, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main()

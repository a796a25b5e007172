"""Named functions of one signature. A new method is one new file: importing its package's modules registers it.

>>> greetings: Registry[Callable[[str], str]] = Registry("greeting")
>>> @greetings.register("plain")
... def plain(name: str) -> str:
...     '''Says hello.'''
...     return f"hello {name}"
>>> greetings.get("plain")("Ada")
'hello Ada'
>>> greetings.get("plian")
Traceback (most recent call last):
tokengraft.errors.ConfigError: found: greeting 'plian'
expected: one of plain
do: did you mean 'plain'?
"""

import difflib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

from tokengraft.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Entry(Generic[F]):
    """A registered function, with what the docs table says of it."""

    name: str
    function: F
    summary: str
    paper: str
    needs: tuple[str, ...] = ()
    """What it must be given beside its arguments, by name: a corpus, a donor model."""


class Registry(Generic[F]):
    """Functions by name. The modules of `package` are imported at the first look-up: each file registers itself."""

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, Entry[F]] = {}

    def register(self, name: str, *, paper: str = "", needs: tuple[str, ...] = ()) -> Callable[[F], F]:
        """Decorator that enters a function under `name`; `paper` is its source as the docs table shows it.

        `needs` names what it cannot do without, so that whoever calls it can ask beforehand.
        """

        def enter(function: F) -> F:
            assert name not in self._entries, f"{self.kind} {name!r} is registered twice"
            summary = (function.__doc__ or "").strip().partition("\n")[0]
            assert summary, f"{self.kind} {name!r} has no docstring to show in the methods table"
            self._entries[name] = Entry(name, function, summary, paper, needs)
            return function

        return enter

    def get(self, name: str) -> F:
        """The function registered under `name`.

        Raises:
            ConfigError: nothing is registered under that name.
        """
        return self.entry(name).function

    def entry(self, name: str) -> Entry[F]:
        """The function registered under `name`, with what is known of it.

        Raises:
            ConfigError: nothing is registered under that name.
        """
        self._discover()
        if name not in self._entries:
            close = difflib.get_close_matches(name, self._entries, n=1)
            raise ConfigError(
                found=f"{self.kind} {name!r}",
                expected=f"one of {', '.join(sorted(self._entries))}",
                do=f"did you mean {close[0]!r}?" if close else "choose one of these names",
            )
        return self._entries[name]

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        self._discover()
        return sorted(self._entries)

    def __iter__(self) -> Iterator[Entry[F]]:
        """Entries in the order of their names."""
        return iter([self._entries[name] for name in self.names()])

    def _discover(self) -> None:
        if self._package is None:
            return
        package = import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            import_module(f"{self._package}.{module.name}")
        self._package = None

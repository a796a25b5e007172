"""What an argument of a filter may be."""

from tokengraft.errors import ConfigError


def no_argument(name: str, argument: str) -> None:
    """Returns where there is none.

    Raises:
        ConfigError: there is one.
    """
    if argument:
        raise ConfigError(found=f"filter {name}:{argument}", expected=f"{name} without an argument", do=f"use {name}")


def positive(name: str, argument: str) -> int:
    """The argument as a number above 0.

    Raises:
        ConfigError: it is none.
    """
    if not argument.isdecimal() or int(argument) < 1:
        raise ConfigError(found=f"filter {name}:{argument}", expected="a number above 0", do=f"for example {name}:16")
    return int(argument)

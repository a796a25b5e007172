"""Words that must stay whole, from a list or a file, with the space that each is to begin with."""

from collections.abc import Iterable
from pathlib import Path

from tokengraft.errors import ConfigError

SPACES = ("both", "with", "without", "given")
"""`leading_space`: each word with a space before it and without, with it alone, without it alone, or as it stands."""


def read_words(path: str | Path) -> list[str]:
    """The lines of a UTF-8 file, one word a line, without the line's end.

    Raises:
        ConfigError: the file is missing, or is not UTF-8.
    """
    try:
        return Path(path).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            found=f"{path}: {error}", expected="a text file in UTF-8, one word a line", do="check tokens.words_file"
        ) from error


def spaced(words: Iterable[str], leading_space: str = "both") -> tuple[str, ...]:
    """Each word as it must stay whole: with a space before it, without, or both.

    >>> spaced(["pad", "eos "], "both")
    (' pad', 'pad', ' eos', 'eos')

    Raises:
        ConfigError: `leading_space` is none of the four.
    """
    if leading_space not in SPACES:
        raise ConfigError(
            found=f"leading_space = {leading_space!r}",
            expected=f"one of {', '.join(SPACES)}",
            do="change tokens.leading_space",
        )
    if leading_space == "given":
        return tuple(words)
    bare = [word.strip() for word in words]
    chosen = {"both": (" ", ""), "with": (" ",), "without": ("",)}[leading_space]
    return tuple(space + word for word in bare for space in (chosen if word else ("",)))

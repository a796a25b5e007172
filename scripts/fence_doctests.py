"""For the site's Python page: examples in docstrings become blocks of code; else brackets would be read as links."""

import re
from typing import Any

from griffe import Extension

EXAMPLE = re.compile(r"^( *)>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)


def fenced(text: str) -> str:
    r"""The docstring with each block that begins with `>>>` between fences.

    >>> print(fenced("One.\n\n>>> 1 + 1\n2\n\nMore."))
    One.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    <BLANKLINE>
    More.
    """
    return EXAMPLE.sub(lambda match: f"{match[1]}```pycon\n{match[0]}\n{match[1]}```", text)


class FenceDoctests(Extension):
    """Does it to every docstring, once all are read."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Called for each object."""
        if obj.docstring and "```" not in obj.docstring.value:
            obj.docstring.value = fenced(obj.docstring.value)

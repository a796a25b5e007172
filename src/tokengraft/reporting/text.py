r"""Text from corpora made safe to show: escaped, whitespace discreetly visible, nothing invisible left to act.

>>> visible("def\tf <b>")
Markup('def<i class="t">\t</i>f<i class="s"> </i>&lt;b&gt;')
>>> readable("abc\u202edef")
'abc⟨U+202E⟩def'
"""

import unicodedata
from pathlib import PurePath
from typing import Any

import regex
from markupsafe import Markup

# \p{C}: control, format (direction marks among them), surrogate, private and unassigned; \p{DI}: drawn as nothing
# (variation selectors, fillers). Either could hide text or turn its direction.
_HIDDEN = regex.compile(r"[[\p{C}\p{DI}\p{Zl}\p{Zp}]--[\t\n]]", regex.V1)
_SPANS = regex.compile(
    r"(?P<space>\x20+)|(?P<newline>\n)|(?P<tab>\t)|(?P<hidden>[[\p{C}\p{DI}\p{Z}\ufffd]--[\t\n\x20]])"
    r"|(?P<plain>[^\p{C}\p{DI}\p{Z}\ufffd]+)",
    regex.V1,
)
_SIGNS = str.maketrans({" ": "␣", "\n": "↵", "\t": "→"})


def visible(text: str) -> Markup:
    """HTML of a text in which everything can be seen.

    `<i>` marks whitespace: the style sheet draws it, and it is copied as it is. `<b>` names what has no shape,
    and bytes that `surrogateescape` kept.
    """
    return Markup("").join(_span(str(match.lastgroup), match.group()) for match in _SPANS.finditer(text))


def visible_bytes(data: bytes) -> Markup:
    r"""HTML of a token's bytes; those that are no whole character are named.

    >>> visible_bytes(b"\xe2\x96")
    Markup('<b title="byte E2, part of a character">E2</b><b title="byte 96, part of a character">96</b>')
    """
    return visible(data.decode("utf-8", errors="surrogateescape"))


def readable(value: Any) -> Any:
    """The value; of text, one in which every character can be seen. For attributes, titles and chart labels."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _HIDDEN.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", value)


def inline(text: str) -> str:
    r"""The text on one line, whitespace as signs, for a tooltip.

    >>> inline("def\n  f")
    'def↵␣␣f'
    """
    return text.translate(_SIGNS)


def short_path(path: str) -> str:
    """The last three parts of a long absolute path; a page is passed on, and where a model lies is nobody's business.

    >>> short_path("/home/ada/models/tiny/model"), short_path("owner/name")
    ('…/models/tiny/model', 'owner/name')
    """
    parts = PurePath(path).parts
    return f"…/{'/'.join(parts[-3:])}" if PurePath(path).is_absolute() and len(parts) > 4 else path


def _span(kind: str, text: str) -> Markup:
    if kind == "plain":
        return Markup.escape(text)
    if kind == "hidden":
        return _named(text)
    return Markup('<i class="{}">{}</i>').format(kind[0], text)


def _named(character: str) -> Markup:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        byte = f"{code - 0xDC00:02X}"
        return Markup('<b title="byte {}, part of a character">{}</b>').format(byte, byte)
    if character == "\ufffd":
        return Markup('<b title="bytes that are no whole character">?</b>')
    name = unicodedata.name(character, "control or unassigned character")
    return Markup('<b title="{}">U+{:04X}</b>').format(name, code)

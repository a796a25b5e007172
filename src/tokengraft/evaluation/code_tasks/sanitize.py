"""Code out of what a model wrote, as BigCodeBench's `bigcodebench/sanitize.py` finds it.

That program walks a tree-sitter tree. It first keeps the longest run of lines that Python can parse, so that Python's
own parser gives the same tree; where tree-sitter's kinds of nodes differ from Python's, tree-sitter's are followed.
"""

import ast
import warnings
from collections.abc import Iterator

NAMED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign, ast.AnnAssign)
"""Statements that give something a name."""


def sanitize(text: str, entry_point: str) -> str:
    r"""The imports, and the definitions that the entry point reaches; where it reaches none, all code that parses.

    >>> print(sanitize('Sure!\nimport os\ndef f():\n    return g()\ndef g():\n    return 1\nprint(f())', 'f'))
    import os
    def f():
        return g()
    def g():
        return 1
    """
    code = longest_code(text.strip())
    kept = _reachable(code, entry_point).strip()
    return kept or code


def longest_code(text: str) -> str:
    r"""The run of lines with the most lines that are not blank among those that parse; the first such run.

    >>> longest_code("Here it is:\nx = 1\ny = 2\nThat was it.")
    'x = 1\ny = 2'
    """
    lines = text.split("\n")
    filled = [0]
    for line in lines:
        filled.append(filled[-1] + bool(line.strip()))
    best, most = (0, 0), 0
    for start in range(len(lines)):
        if filled[-1] - filled[start] <= most:
            break  # no run from here on can be longer
        for end in range(len(lines), start + 1, -1):
            count = filled[end] - filled[start]
            if count <= most:
                break
            if _parses("\n".join(lines[start:end])):
                best, most = (start, end - 1), count
                # Of runs that are as long, the official search keeps the one that ends first.
                while best[1] - 1 > start and not lines[best[1]].strip() and _parses("\n".join(lines[start : best[1]])):
                    best = (start, best[1] - 1)
                break
    return "\n".join(lines[best[0] : best[1] + 1])


def _parses(code: str) -> bool:
    return _parsed(code) is not None


def _parsed(code: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a model's "\d" is its own affair
            return ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _reachable(code: str, entry_point: str) -> str:
    tree = _parsed(code)
    if tree is None:
        return ""
    lines = code.encode("utf-8", "surrogatepass").split(b"\n")
    imports = [_text(node, lines) for node in tree.body if _is_import(node)]
    named: dict[str | None, ast.stmt] = {}
    for node in tree.body:
        # Decorated definitions are nodes of another kind in tree-sitter, which the official program leaves out.
        if isinstance(node, NAMED) and not getattr(node, "decorator_list", None):
            named.setdefault(_name(node), node)
    reached = _reached(entry_point, {name: set(_identifiers(node)) for name, node in named.items()})
    definitions = [_text(node, lines) for name, node in named.items() if name in reached]
    return _without_calls("\n".join(imports + definitions), entry_point)


def _is_import(node: ast.stmt) -> bool:
    """`from __future__` is a third kind of import in tree-sitter, and left out."""
    return isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "__future__")


def _name(node: ast.stmt) -> str | None:
    """The first identifier among a node's direct children: of `a.b = c` that is c."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name
    sides = [node.target, node.value] if isinstance(node, ast.AnnAssign) else [*node.targets, node.value]  # type: ignore[attr-defined]
    first = sides[0]
    if isinstance(first, ast.Name):
        return first.id
    second = sides[1]
    # With several targets the rest is one child of its own.
    return second.id if isinstance(second, ast.Name) and len(sides) == 2 else None


def _identifiers(node: ast.AST) -> Iterator[str]:
    """Every name in a node: variables, attributes, parameters, keywords, parts of imported names."""
    for part in ast.walk(node):
        for field in ("id", "attr", "arg", "name", "asname", "module", "rest"):
            value = getattr(part, field, None)
            if isinstance(value, str):
                yield from value.split(".")
        if isinstance(part, ast.Global | ast.Nonlocal):
            yield from part.names


def _reached(entry_point: str, uses: dict[str | None, set[str]]) -> set[str | None]:
    reached: set[str | None] = {entry_point}
    waiting: list[str | None] = [entry_point]
    while waiting:
        new = uses.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached


def _text(node: ast.stmt, lines: list[bytes]) -> str:
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    block = lines[first : last + 1]
    block[-1] = block[-1][: node.end_col_offset]
    block[0] = block[0][node.col_offset :]
    return b"\n".join(block).decode("utf-8", "surrogatepass")


def _without_calls(code: str, entry_point: str) -> str:
    """Without the closing lines that name the entry point outside of any body."""
    lines = code.splitlines()
    cut = None
    for place in range(len(lines) - 1, -1, -1):
        if lines[place].startswith(" "):
            break
        if entry_point in lines[place]:
            cut = place
    return code if cut is None else "\n".join(lines[:cut])

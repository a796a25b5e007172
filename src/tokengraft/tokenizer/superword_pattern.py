"""A split pattern that takes given texts whole before it does what it did."""

from collections.abc import Mapping

from tokengraft.tokenizer.split_guards import escaped

END = ""
"""Key of a node's own end, in a tree whose other keys are characters."""

Tree = dict[str, "Tree | str"]


def with_superwords(pattern: str, guards: Mapping[str, str]) -> str:
    """The pattern with each text before it, the longest first, if its guard holds behind it.

    Texts that begin alike share their beginning, so that thousands of them cost little.

    >>> with_superwords("x+", {"ab": "", "ac d": "(?!y)"})
    'a(?:b|c d(?!y))|x+'
    """
    return f"{_written(_tree(guards))}|{pattern}" if guards else pattern


def _tree(guards: Mapping[str, str]) -> Tree:
    root: Tree = {}
    for text, guard in guards.items():
        node = root
        for letter in text:
            child = node.setdefault(letter, {})
            assert isinstance(child, dict)
            node = child
        node[END] = guard
    return root


def _written(root: Tree) -> str:
    """The tree as a pattern, children first, so that the longest text that fits is taken.

    It is nested no deeper than it branches: a line of single children is one literal.
    """
    alternatives: list[str] = []
    for letter, child in root.items():
        if letter == END:
            continue
        literal, node = escaped(letter), child
        while isinstance(node, dict) and len(node) == 1 and END not in node:
            ((following, node),) = node.items()
            literal += escaped(following)
        assert isinstance(node, dict)
        alternatives.append(literal + _grouped(node))
    return "|".join(alternatives)


def _grouped(node: Tree) -> str:
    guard = node.get(END)
    if len(node) == 1 and isinstance(guard, str):
        return guard
    longer = _written(node)
    return f"(?:{longer}|{guard})" if isinstance(guard, str) else f"(?:{longer})"

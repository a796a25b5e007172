"""Names of registered methods, for `--help`: read off the source, because importing it would import torch.

>>> "subtoken-mean" in method_names("init", "initialisers")
True
"""

import ast
from functools import cache
from importlib.resources import files


@cache
def method_names(room: str, registry: str) -> tuple[str, ...]:
    """Names under which the files of `tokengraft.<room>` register methods in `registry`, sorted."""
    sources = [file for file in files("tokengraft").joinpath(room).iterdir() if file.name.endswith(".py")]
    return tuple(sorted(name for file in sources for name in _registered(file.read_text(encoding="utf-8"), registry)))


def _registered(source: str, registry: str) -> list[str]:
    calls = [
        decorator
        for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.ClassDef)
        for decorator in node.decorator_list if isinstance(decorator, ast.Call) and decorator.args
    ]  # fmt: skip
    return [
        call.args[0].value
        for call in calls
        if ast.unparse(call.func) == f"{registry}.register"
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    ]

"""Gives a pretrained language model new tokens, and teaches it to read them from itself.

Names are resolved when they are first used, so that tokenizer work does not wait for torch.

>>> import tokengraft as tg
>>> "expand" in dir(tg)
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokengraft.alignment import align as align
    from tokengraft.api import distill as distill
    from tokengraft.api import evaluate as evaluate
    from tokengraft.api import grow as grow
    from tokengraft.api import initialise as initialise
    from tokengraft.api import merge_adapter as merge_adapter
    from tokengraft.api import report as report
    from tokengraft.api import train as train
    from tokengraft.config import RunConfig as RunConfig
    from tokengraft.diagnosis import doctor as doctor
    from tokengraft.diagnosis.watch import Watch as Watch
    from tokengraft.errors import TokengraftError as TokengraftError
    from tokengraft.exporting import export as export
    from tokengraft.exporting.loading import load as load
    from tokengraft.pipeline import Run as Run
    from tokengraft.pipeline import expand as expand
    from tokengraft.special import add_special_tokens as add_special_tokens
    from tokengraft.special import add_words as add_words
    from tokengraft.special import remove_special_tokens as remove_special_tokens
    from tokengraft.tokenizer import ExtendedTokenizer as ExtendedTokenizer
    from tokengraft.tokenizer import NewToken as NewToken
    from tokengraft.tokenizer import extend_tokenizer as extend_tokenizer
    from tokengraft.tokenizer.inspection import inspect_tokenizer as inspect_tokenizer
    from tokengraft.tokenizer.prune import prune_tokenizer as prune_tokenizer

_ROOMS = {
    "ExtendedTokenizer": "tokenizer",
    "NewToken": "tokenizer",
    "Run": "pipeline",
    "RunConfig": "config",
    "TokengraftError": "errors",
    "Watch": "diagnosis.watch",
    "add_special_tokens": "special",
    "add_words": "special",
    "align": "alignment",
    "distill": "api",
    "doctor": "diagnosis",
    "evaluate": "api",
    "expand": "pipeline",
    "export": "exporting",
    "extend_tokenizer": "tokenizer",
    "grow": "api",
    "initialise": "api",
    "inspect_tokenizer": "tokenizer.inspection",
    "load": "exporting.loading",
    "merge_adapter": "api",
    "prune_tokenizer": "tokenizer.prune",
    "remove_special_tokens": "special",
    "report": "api",
    "train": "api",
}

__all__ = [
    "ExtendedTokenizer",
    "NewToken",
    "Run",
    "RunConfig",
    "TokengraftError",
    "Watch",
    "add_special_tokens",
    "add_words",
    "align",
    "distill",
    "doctor",
    "evaluate",
    "expand",
    "export",
    "extend_tokenizer",
    "grow",
    "initialise",
    "inspect_tokenizer",
    "load",
    "merge_adapter",
    "prune_tokenizer",
    "remove_special_tokens",
    "report",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'tokengraft' has no attribute {name!r}")
    return getattr(import_module(f"tokengraft.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_ROOMS)

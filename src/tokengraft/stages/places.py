"""Places that must not be one another: text measured on and text trained on; the run's own files and its input."""

import os
from itertools import combinations

from tokengraft.config import CorpusConfig, RunConfig
from tokengraft.errors import ConfigError


def check_places(config: RunConfig) -> None:
    """Returns where the run's corpora are different ones, and its own folder lies in none of them nor in the model's.

    Raises:
        ConfigError: general figures would be of training text, or the run's files would become documents of its corpus.
    """
    named = {"corpus": config.corpus, "general": config.general, "replay": config.replay}
    corpora = {name: corpus for name, corpus in named.items() if corpus is not None}
    for (first, one), (second, other) in combinations(corpora.items(), 2):
        if _identity(one) == _identity(other):
            raise ConfigError(
                found=f"{first} and {second} are both {one.path}",
                expected="different text for each: figures on text that was trained on say nothing",
                do=f"give other text as {second}, or leave {second} out",
            )
    for name, place in {**{name: corpus.path for name, corpus in corpora.items()}, "model": config.model}.items():
        if os.path.isdir(os.path.expanduser(place)) and _is_inside(config.out, place):
            raise ConfigError(
                found=f"out = {config.out}, which lies inside {name} = {place}",
                expected="a folder of its own, for the run's files would become a part of what it reads",
                do="choose another place with --out",
            )


def _identity(corpus: CorpusConfig) -> tuple[str, str, str, tuple[str, ...]]:
    return _resolved(corpus.path), corpus.field, corpus.split, tuple(corpus.include)


def _is_inside(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it, however it is spelled."""
    inner, outer = _resolved(path), _resolved(folder)
    return inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep)


def _resolved(path: str) -> str:
    # Not Path.resolve: of a loop of links it makes an error of its own.
    return os.path.realpath(os.path.expanduser(path))

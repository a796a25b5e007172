"""What settings of the rows phase mean together, and which exclude each other."""

from tokengraft.config import DistillConfig
from tokengraft.errors import ConfigError
from tokengraft.losses.mixture import HeadMixture, InputMixture
from tokengraft.phases.anchors import anchors


def fit_mixture(settings: DistillConfig) -> HeadMixture:
    """The objectives of the closing fit."""
    mixture = HeadMixture.of(settings.refit_objective or settings.head_objective)
    return HeadMixture.of("ce") if mixture.rests else mixture


def check_objectives(settings: DistillConfig) -> None:
    """Returns where there are objectives and an anchor of the names that the settings give.

    Raises:
        ConfigError: there is none of that name, a sum is not well formed, or settings exclude each other.
    """
    InputMixture.of(settings.objective)
    if settings.first_objective is not None:
        InputMixture.of(settings.first_objective, "distill.first_objective")
    heads = HeadMixture.of(settings.head_objective)
    if settings.refit_objective is not None:
        HeadMixture.of(settings.refit_objective, "distill.refit_objective")
    anchors.get(settings.anchor)
    if settings.windows == "around" and heads.soft_share:
        # Whole text is read once there, in the new tokenization: the teacher's own pass is not made.
        raise ConfigError(
            found=f"distill.head_objective = {settings.head_objective!r} with windows around new tokens",
            expected="ce or none; chain-rule is for the closing fit there",
            do="set distill.head_objective to none and distill.refit_objective to what you want of the head",
        )
    if settings.teacher_cache == "top-k":
        _check_top(settings, heads)
    if settings.shard and settings.teacher_cache not in {"auto", "none"}:
        raise ConfigError(
            found=f"distill.shard and distill.teacher_cache = {settings.teacher_cache}",
            expected="one of the two: a cache is made by one process, and a sharded block works in all of them",
            do="leave distill.teacher_cache at auto: the teacher is then read in every step",
        )
    if settings.windows == "around" and settings.snippet is not None:
        raise ConfigError(
            found="distill.snippet and distill.windows = around",
            expected="one of them: both cut windows around new tokens",
            do="leave distill.snippet out, or set distill.windows to documents",
        )


def _check_top(settings: DistillConfig, heads: HeadMixture) -> None:
    """Returns where a cache of the teacher's largest logits at shared boundaries is all that the objectives ask for."""
    more = {
        f"distill.objective = {settings.objective!r}": bool(InputMixture.of(settings.objective).layers),
        f"distill.head_objective = {settings.head_objective!r}": bool(heads.soft_share),
        f"distill.anchor = {settings.anchor!r}": settings.anchor != "boundary",
    }
    for found in (name for name, asks in more.items() if asks):
        raise ConfigError(
            found=f"{found} with distill.teacher_cache = top-k",
            expected="objectives of the teacher's logits at shared boundaries: that is all that is kept",
            do="set distill.teacher_cache to states, or distill.objective to kl and distill.head_objective to ce",
        )

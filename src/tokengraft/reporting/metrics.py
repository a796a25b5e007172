"""Reads `metrics.json` into values, each member checked for its type."""

from collections.abc import Iterator

from tokengraft.reporting.data import (
    Added,
    Check,
    Exactness,
    Fertility,
    Memory,
    Metrics,
    ModelScores,
    Score,
    Speed,
    Training,
)
from tokengraft.reporting.evidence import Difference, Generation, TaskDifference, TaskFigure
from tokengraft.reporting.reading import Fields

SCORES = (
    "kl_to_base", "double_subword_rate", "tokens_per_byte", "mass_on_new", "rate_of_new", "calibration_error",
    "new_token_top1", "new_token_mrr", "double_subword_rate_in_text",
)  # fmt: skip
WRITTEN = ("adopted", "canonical_ratio", "bytes_per_step", "bytes_per_second")


def read_metrics(fields: Fields) -> Metrics:
    """The metrics of a run.

    Raises:
        RunFolderError: a needed member is missing, or one has another type; its path is said.
    """
    timing = fields.maybe(Fields.part, "timing")
    return Metrics(
        title=fields.maybe(Fields.text, "title"),
        model=fields.text("model"),
        corpus=fields.text("corpus"),
        general=fields.maybe(Fields.text, "general"),
        seed=fields.maybe(Fields.whole, "seed"),
        hardware=_table(fields, "hardware"),
        versions=_table(fields, "versions"),
        tokens=_added(fields.part("tokens")),
        checks=tuple(_check(part) for part in fields.maybe(Fields.parts, "checks") or []),
        exactness=_exactness(fields.maybe(Fields.part, "exactness")),
        models=_models(fields),
        gap_closed=fields.maybe(Fields.number, "gap_closed"),
        memory=_memory(fields.maybe(Fields.part, "memory")),
        stages=_stages(timing),
        total_seconds=timing.maybe(Fields.number, "total_seconds") if timing else None,
        training=_training(fields.maybe(Fields.part, "training")),
        differences=tuple(_differences(fields)),
        tasks=(*_tasks(fields), *_code(fields)),
        task_differences=tuple(_task_differences(fields)),
        verdicts=_verdicts(fields.maybe(Fields.part, "verdicts")),
    )


def read_scores(fields: Fields, model: str) -> tuple[ModelScores | None, tuple[TaskFigure, ...]]:
    """What `metrics.json` holds of one model: its scores on text, None where none was read, and tasks of lm-eval.

    Raises:
        RunFolderError: a member has another type.
    """
    parts = [part for part in fields.maybe(Fields.parts, "models") or [] if part.maybe(Fields.text, "name") == model]
    scores = [_model(part) for part in parts if part.values.get("domain")]
    return next(iter(scores), None), tuple(each for each in _tasks(fields) if each.model == model)


def read_questions(fields: Fields) -> tuple[TaskDifference, ...]:
    """Models of one folder on the same questions of lm-eval.

    Raises:
        RunFolderError: a member has another type.
    """
    return tuple(_paired(fields, "lm_eval_differences"))


def _table(fields: Fields, name: str) -> dict[str, object]:
    part = fields.maybe(Fields.part, name)
    return dict(part.values) if part else {}


def _added(part: Fields) -> Added:
    fertility = part.part("fertility")
    general = fertility.maybe(Fields.part, "general")
    ceiling = part.maybe(Fields.part, "ceiling")
    return Added(
        added=part.whole("added"),
        asked=part.maybe(Fields.whole, "asked"),
        base_size=part.maybe(Fields.whole, "base_size"),
        method=part.maybe(Fields.text, "method"),
        family=part.maybe(Fields.text, "family"),
        domain=_fertility(fertility.part("domain")),
        general=_fertility(general) if general else None,
        ceiling=ceiling.maybe(Fields.number, "domain") if ceiling else None,
    )


def _fertility(part: Fields) -> Fertility:
    return Fertility(
        bytes=part.whole("bytes"),
        documents=part.whole("documents"),
        tokens_base=part.whole("tokens_base"),
        tokens_extended=part.whole("tokens_extended"),
        documents_longer=part.whole("documents_longer"),
    )


def _models(fields: Fields) -> tuple[ModelScores, ...]:
    models = tuple(_model(part) for part in fields.parts("models"))
    if not models:
        raise fields.refusal("models", "at least the base model's scores")
    return models


def _model(part: Fields) -> ModelScores:
    general, generation = part.maybe(Fields.part, "general"), part.maybe(Fields.part, "generation")
    return ModelScores(
        part.text("name"),
        _score(part.part("domain")),
        _score(general) if general else None,
        _generation(generation) if generation else None,
    )


def _score(part: Fields) -> Score:
    return Score(
        bits_per_byte=part.number("bits_per_byte"),
        bytes=part.maybe(Fields.whole, "bytes"),
        tokens=part.maybe(Fields.whole, "tokens"),
        documents=part.maybe(Fields.whole, "documents"),
        **{name: part.maybe(Fields.number, name) for name in SCORES},
        intervals=_intervals(part.maybe(Fields.part, "intervals")),
    )


def _intervals(part: Fields | None) -> dict[str, tuple[float, float]]:
    if part is None:
        return {}
    found = {name: part.numbers(name) for name, value in part.values.items() if value is not None}
    return {name: (ends[0], ends[1]) for name, ends in found.items() if len(ends) == 2}


def _generation(part: Fields) -> Generation:
    return Generation(
        **{name: part.maybe(Fields.number, name) for name in WRITTEN},
        new_possible=part.maybe(Fields.whole, "new_possible"),
    )


def _differences(fields: Fields) -> Iterator[Difference]:
    for part in fields.maybe(Fields.parts, "differences") or []:
        change = part.maybe(Fields.part, "change")
        if change is not None:
            yield Difference(
                before=part.text("before"),
                after=part.text("after"),
                part=part.text("part"),
                metric=part.text("metric"),
                value=change.number("value"),
                low=change.number("low"),
                high=change.number("high"),
                p_value=change.number("p_value"),
                documents=change.whole("documents"),
            )


def _tasks(fields: Fields) -> Iterator[TaskFigure]:
    models = fields.maybe(Fields.part, "lm_eval")
    for model in models.values if models else ():
        tasks = models.part(model) if models else fields
        for task in tasks.values:
            metrics = tasks.part(task).maybe(Fields.part, "metrics")
            for metric in metrics.values if metrics else ():
                figure = metrics.part(metric) if metrics else fields
                documents = tasks.part(task).whole("documents")
                error = figure.maybe(Fields.number, "stderr")
                yield TaskFigure(model, task, metric, figure.number("value"), error, documents)


def _code(fields: Fields) -> Iterator[TaskFigure]:
    models = fields.maybe(Fields.part, "code_tasks")
    for model in models.values if models else ():
        for task in models.part(model).parts("tasks") if models else ():
            passed = task.part("pass_at")
            for k in passed.values:
                yield TaskFigure(model, task.text("task"), f"pass@{k}", passed.number(k), None, task.whole("scored"))


def _task_differences(fields: Fields) -> Iterator[TaskDifference]:
    for kind in ("lm_eval_differences", "code_differences"):
        yield from _paired(fields, kind)


def _paired(fields: Fields, kind: str) -> Iterator[TaskDifference]:
    for part in fields.maybe(Fields.parts, kind) or []:
        yield TaskDifference(
            before=part.text("before"),
            after=part.text("after"),
            task=part.text("task"),
            documents=part.whole("documents"),
            only_before=part.whole("only_before"),
            only_after=part.whole("only_after"),
            p_value=part.number("p_value"),
        )


def _verdicts(part: Fields | None) -> dict[str, int]:
    return {name: part.whole(name) for name in part.values} if part else {}


def _check(part: Fields) -> Check:
    detail, measured = part.maybe(Fields.text, "detail") or "", part.maybe(Fields.flag, "measured") or False
    return Check(part.text("name"), part.flag("passed"), detail, measured)


def _exactness(part: Fields | None) -> Exactness | None:
    if part is None:
        return None
    return Exactness(
        part.flag("old_rows_identical"), part.flag("old_logits_identical"), part.maybe(Fields.whole, "compared_logits")
    )


def _memory(part: Fields | None) -> Memory | None:
    if part is None:
        return None
    return Memory(
        engine=part.whole("engine_bytes"),
        plain=part.whole("plain_bytes"),
        baseline=part.maybe(Fields.whole, "baseline_bytes"),
        how=part.maybe(Fields.text, "how") or "",
        speed=_speed(part.maybe(Fields.part, "speed")),
    )


def _speed(part: Fields | None) -> Speed | None:
    if part is None:
        return None
    how = part.maybe(Fields.text, "how") or ""
    return Speed(part.number("engine_seconds"), part.number("plain_seconds"), part.number("ratio"), how)


def _stages(timing: Fields | None) -> dict[str, float]:
    stages = timing.maybe(Fields.part, "stages") if timing else None
    return {name: stages.number(name) for name in stages.values} if stages else {}


def _training(part: Fields | None) -> Training | None:
    if part is None:
        return None
    return Training(part.whole("steps"), part.maybe(Fields.whole, "tokens"), part.maybe(Fields.number, "seconds"))

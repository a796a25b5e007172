"""What `tokengraft eval` is asked for, and everything that can be known to be wrong with it before long work."""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokengraft.config import (
    CorpusConfig,
    EvaluationConfig,
    RunConfig,
    SharesConfig,
    build,
    check_ranges,
    read_settings,
)
from tokengraft.config_checks import ABOVE_0, FROM_1
from tokengraft.config_checks import RULES as RUN_RULES
from tokengraft.corpus import Document, check_readable, require_parts, stream, stream_part
from tokengraft.errors import ConfigError, ModelError, TokenizerError
from tokengraft.evaluation.lm_eval_bridge import check_tasks
from tokengraft.model.checks import check_fit, check_model, read_config
from tokengraft.model.load import pick_device, pick_dtype
from tokengraft.stages.eval_code import CodeConfig, check_code
from tokengraft.tokenizer import ExtendedTokenizer, TokenizerFile
from tokengraft.tokenizer.between import extension_between, extension_of

RULES = {
    **{name: rule for name, rule in RUN_RULES.items() if name != "control"},
    "batch_tokens": ABOVE_0,
    "generation_batch": FROM_1,
    "domain.max_documents": FROM_1,
    "lm_eval.limit": FROM_1,
    "lm_eval.batch_size": FROM_1,
}
"""Those of a run, but here a control is a model."""


@dataclass(frozen=True, slots=True)
class LmEvalConfig:
    """Tasks of lm-eval."""

    tasks: tuple[str, ...] = ()
    """Names of its tasks, or paths of task files in YAML."""
    limit: int | None = None
    """Documents of each task at most; None: all."""
    few_shot: int | None = None
    """Examples in front of each question; None: as the task says."""
    batch_size: int = 8


@dataclass(frozen=True, slots=True)
class EvalPlan:
    """Which models are measured, on what, and how."""

    model: str
    base: str | None = None
    """The model that was extended; None: what needs a base is not measured."""
    control: str | None = None
    """A model with the base's tokenizer that was trained on the same text."""
    training_log: str | None = None
    """`log.jsonl` of the run that made the model: its learning curves stand on the page."""
    domain: CorpusConfig | None = None
    general: CorpusConfig | None = None
    heldout: SharesConfig | None = None
    """Of the domain only the part that these shares hold out; None: all of it."""
    out: str | None = None
    title: str = ""
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    trust_remote_code: bool = False
    batch_tokens: int = 2048
    """Rows × width of one forward pass."""
    generation_batch: int = 8
    evaluation: EvaluationConfig = field(default_factory=lambda: EvaluationConfig(prompts=32, prompt_tokens=64))
    lm_eval: LmEvalConfig = field(default_factory=LmEvalConfig)
    code: CodeConfig = field(default_factory=CodeConfig)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "EvalPlan":
        """The plan that plain values describe; a run's folder as `model` stands for its model, base and held-out text.

        Raises:
            ConfigError: a setting is unknown, missing, of the wrong type, or outside its range.
        """
        plan = build(cls, settings)
        check_ranges(plan, rules=RULES)
        places = {name: os.path.expanduser(value) for name in ("model", "base", "control", "training_log", "out")
                  if (value := getattr(plan, name)) is not None}  # fmt: skip
        return _of_run(dataclasses.replace(plan, **places))


@dataclass(frozen=True, slots=True)
class Subjects:
    """The tokenizers of a plan."""

    base: TokenizerFile | None
    extension: ExtendedTokenizer
    """Without a base: the model's own tokenizer, which extends itself by nothing."""


def check_plan(plan: EvalPlan) -> Subjects:
    """The tokenizers, once models, corpora and device are what they should be.

    Raises:
        TokengraftError: the first thing found that would stop the evaluation later.
    """
    if plan.domain is None and not plan.lm_eval.tasks and not plan.code.tasks:
        raise ConfigError(
            found=f"{plan.model}, and no text to measure it on",
            expected="held-out text of the domain, tasks, or the folder of a run, which has its own",
            do="give --domain, --tasks or --lm-eval",
        )
    check_tasks(plan.lm_eval.tasks)
    check_code(plan.code, plan.out)
    pick_dtype(plan.dtype, pick_device(plan.device))
    for corpus in (plan.domain, plan.general):
        if corpus is not None:
            check_readable(corpus)
    if plan.heldout is not None and plan.domain is not None:
        require_parts(plan.domain, plan.heldout)
    subjects = _subjects(plan)
    _require_one_body(plan)
    return subjects


def _subjects(plan: EvalPlan) -> Subjects:
    file = _checked(plan.model, plan)
    if plan.base is None:
        if plan.control is not None:
            raise ConfigError(
                found="--control without --base", expected="the base that both began with", do="give --base"
            )
        return Subjects(None, extension_between(file, file))
    base = _checked(plan.base, plan)
    extension = extension_of(plan.model, base)
    if plan.control is not None and _checked(plan.control, plan).ids != base.ids:
        raise TokenizerError(
            found=f"{plan.control}, whose tokenizer is not that of {plan.base}",
            expected="a control: the base's own tokenizer, trained on the same text",
            do="leave --control out, or give the control of this base",
        )
    return Subjects(base, extension)


def _checked(name: str, plan: EvalPlan) -> TokenizerFile:
    """The tokenizer of a model that can be loaded and has a row for each of its ids."""
    check_model(name)
    settings = read_config(name, trust_remote_code=plan.trust_remote_code)
    file = TokenizerFile.load(name)
    check_fit(name, settings, file.size, trust_remote_code=plan.trust_remote_code)
    return file


SHAPE = ("model_type", "hidden_size", "num_hidden_layers")


def _require_one_body(plan: EvalPlan) -> None:
    if plan.base is None:
        return
    for other in filter(None, (plan.model, plan.control)):
        settings = [
            read_config(name, trust_remote_code=plan.trust_remote_code).get_text_config() for name in (plan.base, other)
        ]
        shapes = [{name: getattr(each, name, None) for name in SHAPE} for each in settings]
        if shapes[0] != shapes[1]:
            raise ModelError(
                found=f"{other} of {_words(shapes[1])}, and {plan.base} of {_words(shapes[0])}",
                expected="a base that the model was made from: of its architecture and size",
                do="give that base",
            )


def _words(shape: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in shape.items())


def domain_documents(plan: EvalPlan) -> Iterator[Document]:
    """The held-out documents of the domain.

    Raises:
        CorpusError: they cannot be read, or there are none.
    """
    assert plan.domain is not None
    if plan.heldout is None:
        yield from stream(plan.domain)
    else:
        yield from stream_part(plan.domain, plan.heldout, "heldout")


def _there(path: Path) -> str | None:
    return str(path) if path.exists() else None


def _of_run(plan: EvalPlan) -> EvalPlan:
    """The plan with what a run's folder stands for, as far as it is not given: its control too, where it made one."""
    folder = Path(plan.model)
    if not (folder / "run.json").is_file() or not (folder / "config.yaml").is_file():
        return plan
    settings = dict(read_settings(folder / "config.yaml"))
    base = settings.pop("base", None)  # of a training whose model had its new tokens already
    config = RunConfig.from_dict(settings)
    given = plan.domain is not None
    return dataclasses.replace(
        plan,
        model=str(folder / "model"),
        base=plan.base or base or config.model,
        control=plan.control or _there(folder / "control"),
        training_log=plan.training_log or _there(folder / "log.jsonl"),
        domain=plan.domain or config.corpus,
        heldout=plan.heldout if given else config.shares,
        general=plan.general or config.general,
        title=plan.title or config.title,
        seed=plan.seed or config.seed,
    )

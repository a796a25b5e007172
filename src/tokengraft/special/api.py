"""Adding control tokens and whole words, to a loaded model or to a model folder."""

import copy as copies
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tokengraft.errors import ConfigError, ModelError, RunFolderError, TokenizerError
from tokengraft.model import check_model, load_model
from tokengraft.special.adapter import BASE, base_of, is_adapter, write_beside
from tokengraft.special.folder import read_tokenizer, replaced, write
from tokengraft.special.graft import Grafted, graft, revert
from tokengraft.special.loaded import put_into
from tokengraft.special.plan import Plan, make_plan
from tokengraft.special.reload import check_reload
from tokengraft.special.remove import last_addition, take_back
from tokengraft.special.rows import Silence
from tokengraft.special.settling import Settled, obstacle
from tokengraft.special.settling_texts import Text, asked_texts


@dataclass(frozen=True)
class Added:
    """What was added, and what it does to the model before any training."""

    ids: dict[str, int]
    """Every new token with its id: control tokens, the forms of words, and the parts on the way to words."""
    roles: dict[str, int]
    """The id of each role that was given away."""
    starts: dict[str, str]
    """Where each token's rows come from."""
    shares: dict[str, float]
    """Mean probability of each new token, on text that the model writes itself."""
    quieted: dict[str, float]
    """Nats by which the head row was lowered, so that all tokens together take no more than they may."""
    pad: Silence | None
    phantoms: Silence | None
    rows_before: int
    rows_after: int
    suppressed: tuple[int, ...]
    """Ids that generation never chooses: pad and rows of no token."""
    compared_logits: int
    """Old logits compared before and after: all identical bit for bit."""
    settled: Settled | None = None
    """What settling did, where control tokens were settled."""
    words: dict[str, int] = field(default_factory=dict)
    """Those that are words, alone and after a space."""
    parts: tuple[str, ...] = ()
    """Those of `ids` that merges need on the way to words."""
    notes: tuple[str, ...] = ()
    out: str | None = None
    undo: Callable[[], None] | None = field(default=None, repr=False, compare=False)
    """For a loaded model: takes everything back from model and tokenizer."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = asdict(self)
        values.pop("undo")
        return values


def add_special_tokens(
    model: Any, tokenizer: Any, tokens: Any, *, words: Sequence[str] = (), out: str | Path | None = None,
    in_place: bool = False, replace: Collection[str] = (), chat_template: str | None = None,
    template_tokens: Mapping[str, str] | None = None, leading_space: str = "both", pad_to_multiple_of: int = 1,
    share: float = 1e-3, seed: int = 0, settle: Any = None,
    device: str = "auto", trust_remote_code: bool = False,
) -> Added:  # fmt: skip
    """What was added. A loaded `model` and `tokenizer` are changed in place; a folder is written to `out`.

    `tokens`: for each token None, similar words, or a mapping with `role`, `like`, `description`; a list; or the `Path`
    of a file. `tokenizer` is None where the model's folder holds it. An adapter's folder is written with its new base
    inside. All new tokens together take at most `share` of
    the probability on text without them, pad none; `replace` names roles whose token may change. Old rows and old
    logits stay bit-identical, and that is checked. `settle` lets control tokens learn to be unnoticed at first: on
    texts (a file, or texts and conversations), or with True on some that the model writes itself. None is True for a
    model so small that it takes seconds (`settling.UNASKED`), False for a larger one.

    Raises:
        ConfigError: a request or a setting is of no known form.
        CorpusError: `settle` names texts that cannot be read, or none that is long enough.
        TokenizerError: a token exists, cannot be found in text, takes another's role, or there is no tokenizer.
        ModelError: the model cannot be loaded, has no tables that can be grown, or is to be settled and cannot learn.
        CheckError: an old id, row or logit changed; nothing was written.
        RunFolderError: `out` is missing, in use or cannot be written.
    """
    settings = _Settings(pad_to_multiple_of, share, seed)
    template = {
        "chat_template": chat_template, "template_tokens": dict(template_tokens or {}), "leading_space": leading_space
    }  # fmt: skip
    if not isinstance(model, str | Path):
        plan = make_plan(_given(tokenizer), tokens, words, replace=replace, **template)
        return _to_loaded(model, tokenizer, plan, settings, asked_texts(plan, settle), unasked=settle is None)
    source, place = folder_of(model), _place(model, out, in_place=in_place)
    adapter = source if is_adapter(source) else None
    source = base_of(source) if adapter else source
    plan = make_plan(read_tokenizer(source, tokenizer), tokens, words, replace=replace, **template)
    texts = asked_texts(plan, settle)
    check_model(str(source))
    loaded = load_model(str(source), device=device, trust_remote_code=trust_remote_code)
    texts, notes = _unless_costly(loaded, texts, unasked=settle is None)
    done = graft(loaded, plan, **asdict(settings), texts=texts)
    report = _report(plan, done, notes, out=str(place))
    with replaced(place) as folder:
        whole = folder / BASE if adapter else folder
        whole.mkdir(exist_ok=True)
        write(source, whole, plan, loaded, done, report.to_dict())
        check_reload(whole, plan, done.rows_after)
        if adapter:
            write_beside(adapter, folder, place)
    return report


def add_words(model: Any, tokenizer: Any, words: Sequence[str], **settings: Any) -> Added:
    """What was added: `words` that stay whole, alone and after a space; otherwise as `add_special_tokens`."""
    return add_special_tokens(model, tokenizer, (), words=words, **settings)


def remove_special_tokens(
    model: str | Path, *, out: str | Path | None = None, in_place: bool = False
) -> dict[str, Any]:
    """What was taken back of a model folder: the last addition, its tokens, and which files are identical again.

    Raises:
        RunFolderError: nothing is on record, or `out` is missing, in use or cannot be written.
    """
    source, place = folder_of(model), _place(model, out, in_place=in_place)
    addition = last_addition(source)
    with replaced(place) as folder:
        same = take_back(source, folder)
    return {"out": str(place), "ids": addition["ids"], "identical": same}


@dataclass(frozen=True, slots=True)
class _Settings:
    pad_to_multiple_of: int
    share: float
    seed: int

    def __post_init__(self) -> None:
        if self.pad_to_multiple_of < 1:
            raise ConfigError(
                found=f"pad_to_multiple_of = {self.pad_to_multiple_of}", expected="1 or more", do="give 64, or none"
            )
        if not 0 < self.share < 1:
            raise ConfigError(found=f"share = {self.share}", expected="between 0 and 1", do="give 0.001, or none")


def _given(tokenizer: Any) -> Any:
    if tokenizer is None:
        raise TokenizerError(
            found="a loaded model and no tokenizer", expected="the model's tokenizer", do="load and pass it too"
        )
    return tokenizer


def _unless_costly(model: Any, texts: list[Text] | None, *, unasked: bool) -> tuple[list[Text] | None, tuple[str, ...]]:
    """The texts to settle on, none where something stands against what nobody asked for; and what is said about it."""
    why = None if texts is None else obstacle(model, unasked=unasked)
    return (None, (why,)) if why else (texts, ())


def _to_loaded(
    model: Any, tokenizer: Any, plan: Plan, settings: _Settings, texts: list[Text] | None, *, unasked: bool
) -> Added:
    texts, notes = _unless_costly(model, texts, unasked=unasked)
    done = graft(model, plan, **asdict(settings), texts=texts)
    try:
        before = put_into(tokenizer, plan)
    except BaseException:
        revert(model, done.undo)
        raise

    def undo() -> None:
        revert(model, done.undo)
        if before is not None:
            vars(tokenizer).clear()
            vars(tokenizer).update(copies.deepcopy(before))

    return _report(plan, done, notes, undo=undo)


def _report(plan: Plan, done: Grafted, notes: Sequence[str], **more: Any) -> Added:
    forms = {number: form for form, number in plan.words.whole.items()}
    ids = {forms.get(number, name): number for number, name in plan.ids.items()}
    names, control = list(ids), {token.content for token in plan.tokens}
    return Added(
        ids=ids,
        roles=plan.role_ids,
        starts=dict(zip(names, done.made.starts, strict=False)),
        shares=dict(zip(names, done.shares, strict=True)),
        quieted=dict(zip(names, done.made.quieted, strict=False)),
        pad=done.pad if plan.pads else None,
        phantoms=done.phantoms if done.rows_after > plan.size else None,
        rows_before=done.rows_before,
        rows_after=done.rows_after,
        suppressed=done.suppressed,
        compared_logits=done.compared_logits,
        settled=done.settled,
        words=plan.words.whole,
        parts=tuple(name for name, number in ids.items() if number not in forms and name not in control),
        notes=(*plan.words.notes, *notes),
        **more,
    )


def folder_of(model: str | Path) -> Path:
    """The folder of a model, downloaded where `model` is a hub id.

    Raises:
        ModelError: there is neither.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    check_model(str(model))
    from huggingface_hub import snapshot_download  # noqa: PLC0415  only a hub id needs it

    try:
        return Path(snapshot_download(str(model)))
    except (OSError, ValueError) as error:
        raise ModelError(
            found=f"{model}: {str(error).strip().splitlines()[0]}",
            expected="a model folder, or a hub id that can be reached",
            do="check the name and the network",
        ) from error


def _place(model: str | Path, out: str | Path | None, *, in_place: bool) -> Path:
    if (out is None) == (not in_place):
        raise ConfigError(
            found="neither --out nor --in-place" if out is None else "both --out and --in-place",
            expected="one of the two",
            do="name a new folder with --out",
        )
    if in_place:
        if is_adapter(Path(model).expanduser()):
            raise ConfigError(
                found=f"the adapter {model}, in place, whose base is a folder of its own",
                expected="a new folder for both",
                do="name one with --out",
            )
        if not Path(model).expanduser().is_dir():
            raise ConfigError(found=f"{model} from the hub, in place", expected="a folder", do="name one with --out")
        return Path(model).expanduser().absolute()
    place = Path(str(out)).expanduser().absolute()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise RunFolderError(
            found=f"{place}, which is not empty", expected="a new folder", do="choose another with --out"
        )
    return place

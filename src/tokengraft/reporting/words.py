"""The result in sentences: what was gained, what was lost, and whether either is more than chance."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup

from tokengraft.reporting.data import Metrics
from tokengraft.reporting.evidence import Difference
from tokengraft.reporting.numbers import count, decimal, percent, signed
from tokengraft.statistics import holm

Kind = Literal["gained", "lost", "same", "unknown"]

ALPHA = 0.05
ALIKE = 0.05
"""Share by which bytes a step of a few prompts may differ without meaning anything."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence, and which way it points."""

    kind: Kind
    text: Markup


def findings(metrics: Metrics) -> list[Finding]:
    """What a reader wants to know first, in this order: cost, quality, what is forgotten, the new tokens."""
    return [*_cost(metrics), *_quality(metrics), *_forgotten(metrics), *_tokens(metrics), *_tasks(metrics)]


def _cost(metrics: Metrics) -> Iterator[Finding]:
    domain = metrics.tokens.domain
    change = next((d for d in _of_final(metrics) if d.metric == "tokens_per_byte" and d.part == "domain"), None)
    kind: Kind = "gained" if domain.saved > 0 else "lost" if domain.saved < 0 else "same"
    text = Markup("Held-out text of the domain takes <b>{} {} tokens</b>").format(
        percent(abs(domain.saved)), "fewer" if domain.saved >= 0 else "more"
    )
    if change is not None:
        text += Markup(" (tokens a byte {}, 95 % interval {} to {})").format(
            *map(signed, (change.value, *_ends(change)))
        )
    yield Finding(kind, text + Markup("."))
    after, before = metrics.final.generation, metrics.base.generation
    if after and before and after is not before and after.bytes_per_step and before.bytes_per_step:
        ratio = after.bytes_per_step / before.bytes_per_step
        yield Finding(
            "gained" if ratio > 1 + ALIKE else "lost" if ratio < 1 - ALIKE else "same",
            Markup("Where it writes, from a few prompts, a step yields {} bytes; the base’s yields {}.").format(
                decimal(after.bytes_per_step, 2), decimal(before.bytes_per_step, 2)
            ),
        )


def _quality(metrics: Metrics) -> Iterator[Finding]:
    for change in _corrected(metrics, "domain"):
        yield Finding(_kind(change), _sentence("On the domain’s text", change))
    if not any(change.part == "domain" for change in metrics.differences) and len(metrics.models) > 1:
        yield Finding("unknown", Markup("Too few held-out documents to say how certain the change in the domain is."))
    if len(metrics.models) > 1 and not any("control" in model.name for model in metrics.models):
        yield Finding(
            "unknown",
            Markup(
                "No control was measured: how much of this the same training would have brought with the old tokens "
                "is not known."
            ),
        )


def _forgotten(metrics: Metrics) -> Iterator[Finding]:
    if metrics.final.general is None:
        yield Finding("unknown", Markup("No general text was given: what was forgotten is not known."))
        return
    if not any(change.part == "general" for change in metrics.differences) and len(metrics.models) > 1:
        yield Finding("unknown", Markup("Too few general documents to say how certain it is what was forgotten."))
    for change in _corrected(metrics, "general"):
        text = _sentence("On general text", change)
        kl = metrics.final.general.kl_to_base
        if kl is not None and change.before == metrics.base.name:
            text += Markup(" Its predictions there moved by {} nats.").format(decimal(kl, 4))
        yield Finding(_kind(change), text)


def _tokens(metrics: Metrics) -> Iterator[Finding]:
    verdicts, domain = metrics.verdicts, metrics.final.domain
    seen = sum(number for name, number in verdicts.items() if name != "not seen")
    if seen:
        learned = verdicts.get("learned", 0)
        text = Markup("<b>{} of {}</b> new tokens that the held-out text holds are learned").format(
            count(learned), count(seen)
        )
        parts = [f"{verdicts[name]} {word}" for name, word in FAULTS.items() if verdicts.get(name)]
        text += Markup(" ({})").format(", ".join(parts)) if parts else Markup("")
        if verdicts.get("not seen"):
            text += Markup("; {} do not occur in it").format(count(verdicts["not seen"]))
        yield Finding("gained" if learned > seen / 2 else "lost", text + Markup("."))
    if domain.mass_on_new is not None and domain.rate_of_new:
        ratio = domain.mass_on_new / domain.rate_of_new
        text = Markup("New tokens get {} of the probability, and {} of the text is new tokens").format(
            percent(domain.mass_on_new), percent(domain.rate_of_new)
        )
        fair = 0.8 <= ratio <= 1.25
        yield Finding(
            "same" if fair else "lost", text + Markup(": {}.").format("balanced" if fair else "out of balance")
        )


FAULTS = {
    "written only": "can be written, but are misread",
    "read only": "are read, but hardly ever written",
    "not learned": "neither",
}


def _tasks(metrics: Metrics) -> Iterator[Finding]:
    for test in metrics.task_differences:
        if test.after == metrics.final.name and test.before == metrics.base.name:
            kind: Kind = "same" if test.p_value >= ALPHA else "gained" if test.only_after > test.only_before else "lost"
            yield Finding(
                kind,
                Markup("{}: right only with the new tokens {}, only before {}, of {} questions (p {}).").format(
                    test.task, count(test.only_after), count(test.only_before), count(test.documents),
                    decimal(test.p_value),
                ),
            )  # fmt: skip


def _of_final(metrics: Metrics) -> list[Difference]:
    """Differences of the last model to the base and to a control: those that the sentences speak of."""
    others = {metrics.base.name, "control"}
    return [each for each in metrics.differences if each.after == metrics.final.name and each.before in others]


def _corrected(metrics: Metrics, part: str) -> list[Difference]:
    """Those in bits per byte, with p-values corrected by Holm over all of them, both parts included."""
    bits = [each for each in _of_final(metrics) if each.metric == "bits_per_byte"]
    values = holm([each.p_value for each in bits])
    return [_with_p(each, value) for each, value in zip(bits, values, strict=True) if each.part == part]


def _with_p(change: Difference, value: float) -> Difference:
    return replace(change, p_value=value)


def _kind(change: Difference) -> Kind:
    if change.p_value >= ALPHA:
        return "same"
    return "gained" if change.value < 0 else "lost"


def _sentence(where: str, change: Difference) -> Markup:
    against = "the base" if change.before == "base" else f"the {change.before}"
    low, high = map(signed, _ends(change))
    if change.p_value >= ALPHA:
        return Markup(
            "{} no difference to {} can be shown: {} bits per byte, 95 % interval {} to {} over {} documents."
        ).format(where, against, signed(change.value), low, high, count(change.documents))
    return Markup(
        "{} it predicts <b>{} than {}</b>: {} bits per byte, 95 % interval {} to {} over {} documents, p {}."
    ).format(
        where, "better" if change.value < 0 else "worse", against, signed(change.value), low, high,
        count(change.documents), decimal(change.p_value),
    )  # fmt: skip


def _ends(change: Difference) -> tuple[float, float]:
    return change.low, change.high

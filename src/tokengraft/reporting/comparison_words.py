"""A comparison in sentences: what each run gained or lost against another, and whether that is more than chance."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from tokengraft.evaluation.comparison import Comparison
from tokengraft.evaluation.comparison.outcomes import PairTest, TaskComparison
from tokengraft.evaluation.comparison.texts import LEAST_DOCUMENTS, TextComparison, TextPair
from tokengraft.reporting.evidence import Detail
from tokengraft.reporting.numbers import count, percent
from tokengraft.reporting.outcome_charts import SURE
from tokengraft.reporting.text import readable
from tokengraft.reporting.words import Finding, Kind

NO_BREAK = "\N{NO-BREAK SPACE}"


def findings(comparison: Comparison, details: Sequence[Detail]) -> list[Finding]:
    """Every pair in a sentence: the last run first, which the others led to, and of its pairs what is certain.

    What the text costs in tokens comes before the rest of a run, for it needs no test.
    """
    said = [(pair, _solved(pair, task)) for task in comparison.tasks for pair in task.pairs]
    read = [(pair, _read(pair, text)) for text in comparison.texts for pair in text.pairs]
    pairs = sorted([*read, *said], key=lambda entry: entry[0].p_holm >= SURE)
    costs = list(_costs(comparison, details))
    runs = [comparison.runs[-1], *comparison.runs[:-1]]
    found: list[Finding] = []
    for run in runs:
        found += [finding for pair, finding in pairs if pair.second == run]
        found += [finding for name, finding in costs if name == run]
    return found


def p_text(value: float) -> str:
    """A p-value with the digits that matter.

    >>> [p_text(value) for value in (0.5, 0.0123, 0.00021, 1e-9)]
    ['0.50', '0.012', '0.0002', '< 0.0001']
    """
    if value < 0.0001:
        return "< 0.0001"
    return f"{value:.4f}" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def p_phrase(value: float) -> str:
    """The p-value as it stands in a sentence, on one line.

    >>> p_phrase(0.5).replace(NO_BREAK, " ")
    'p = 0.50'
    """
    text = p_text(value).replace(" ", NO_BREAK)
    return f"p{NO_BREAK}{text}" if text.startswith("<") else f"p{NO_BREAK}={NO_BREAK}{text}"


def counted(documents: int) -> str:
    """So many documents, in words.

    >>> counted(1), counted(24)
    ('1 document', '24 documents')
    """
    return f"{count(documents)} {'document' if documents == 1 else 'documents'}"


def _solved(pair: PairTest, task: TaskComparison) -> Finding:
    before, after = (next(rate for rate in task.rates if rate.run == name) for name in (pair.first, pair.second))
    change = 100 * pair.difference.value
    how = "as many" if change == 0 else f"{abs(change):.1f} points {'more' if change > 0 else 'fewer'}"
    rates = f"{percent(before.estimate.value, 1)} → {percent(after.estimate.value, 1)}"
    text = _said(
        "<b>{}</b> solves {} of {} {} {} ({})",
        pair.second, how, task.task, "as" if change == 0 else "than", pair.first, rates,
    )  # fmt: skip
    if pair.p_holm < SURE:
        return Finding("gained" if change > 0 else "lost", text + f": more than chance, {p_phrase(pair.p_holm)}.")
    text += f": no more than chance would do, {p_phrase(pair.p_holm)}"
    if pair.detectable is not None:
        text += f"; {task.problems} problems show differences from {100 * pair.detectable:.1f} points on"
    return Finding("same", text + ".")


def _read(pair: TextPair, text: TextComparison) -> Finding:
    before = next(cost for cost in text.costs if cost.run == pair.first).estimate.value
    change = pair.difference.value / before if before else 0.0
    how = "as many bits" if change == 0 else f"{percent(abs(change))} {'fewer' if change < 0 else 'more'} bits"
    said = _said(
        "<b>{}</b> needs {} for {} text {} {}",
        pair.second, how, text.part, "as" if change == 0 else "than", pair.first,
    )  # fmt: skip
    if _too_few(text):
        return Finding("unknown", said + f", of {counted(text.documents)}: too few to say more.")
    sure = pair.p_holm < SURE
    kind: Kind = "same" if not sure else "gained" if change < 0 else "lost"
    judged = "more than chance" if sure else "no more than chance would do"
    return Finding(
        kind, said + f", {pair.better} of {counted(text.documents)} in fewer: {judged}, {p_phrase(pair.p_holm)}."
    )


def _said(sentence: str, *parts: str) -> Markup:
    """The sentence; names of runs and of tasks are others' text."""
    return Markup(sentence).format(*map(readable, parts))  # noqa: S704 (sentences are of this file)


def _too_few(text: TextComparison) -> bool:
    """Whether so many documents could show nothing, however alike they are: their signs alone are the least p-value."""
    return text.documents < LEAST_DOCUMENTS or 2.0 ** (1 - text.documents) * len(text.pairs) >= SURE


def _costs(comparison: Comparison, details: Sequence[Detail]) -> Iterator[tuple[str, Finding]]:
    """Tokens that the first run and each other make of the same documents; of runs that make the same, the last."""
    first = next((detail for detail in details if detail.name == comparison.runs[0]), None)
    if first is None or first.domain is None or not sum(first.domain.tokens):
        return
    seen = {first.domain.tokens}
    for detail in reversed(details):
        domain = detail.domain
        if domain is None or domain.names != first.domain.names or domain.tokens in seen:
            continue
        seen.add(domain.tokens)
        change = sum(domain.tokens) / sum(first.domain.tokens) - 1
        text = _said(
            "<b>{}</b> takes {} {} tokens for the same domain text than {}.",
            detail.name, percent(abs(change)), "fewer" if change <= 0 else "more", first.name,
        )  # fmt: skip
        yield detail.name, Finding("gained" if change < 0 else "lost", text)

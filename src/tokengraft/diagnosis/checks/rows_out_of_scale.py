"""Rows far from the norm of their table."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import KEPT, Finding, info, listed, warning
from tokengraft.diagnosis.importance import important
from tokengraft.diagnosis.remedies import make_anew

TINY, HUGE = 0.1, 10.0
"""Of the median norm. Trained tables keep within about a third and three times of it."""


@check("rows-out-of-scale", needs=(), symptom="loss jumps after adding tokens; a new token drowns all others")
def rows_out_of_scale(case: Case) -> Iterator[Finding]:
    """Rows of tokens whose norm is under a tenth, or over ten times, of the table's median."""
    marked = important(case)
    for name, table in case.tables.each():
        median = table.typical(case.used)
        norms, finite = table.norms[: case.used], table.finite[: case.used]
        for word, wrong in (
            ("tiny", finite & (norms > 0) & (norms < TINY * median)),
            ("huge", finite & (norms > HUGE * median)),
        ):
            rows = wrong.nonzero()[:, 0].tolist()
            if not rows:
                continue
            used = [row for row in rows if row in marked]
            say = warning if used else info
            yield say(
                f"{len(rows)} rows of the {name} are {word}: "
                f"{listed([f'{row} {case.token(row)!r} ({float(norms[row]):.3g})' for row in used or rows])}; "
                f"the median norm is {median:.3g}",
                "Norms of input rows set how much gradient they get, those of head rows how much mass their tokens "
                "take. Rows made by transformers' mean initialisation are tiny where the mean of the table is.",
                f"{make_anew(case, used or rows, name)}, or scale it to the median norm",
                table=table.name,
                rows=(used or rows)[:KEPT],
                count=len(rows),
                median=median,
            )

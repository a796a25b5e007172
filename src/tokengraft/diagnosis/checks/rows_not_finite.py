"""NaN and Inf in a table."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import KEPT, Finding, error, listed


@check("rows-not-finite", needs=(), symptom="loss is nan; probability tensor contains either inf, nan")
def rows_not_finite(case: Case) -> Iterator[Finding]:
    """Rows that hold NaN or Inf."""
    for name, table in case.tables.each():
        rows = (~table.finite).nonzero()[:, 0].tolist()
        if rows:
            yield error(
                f"{len(rows)} of {table.rows} rows of the {name} hold NaN or Inf: "
                f"{listed([f'{row} {case.token(row)!r}' for row in rows])}",
                "One such row in the head makes every probability NaN; one in the input table does so for every text "
                "that holds its token.",
                "go back to the last checkpoint without them; fp16-adam-eps and labels-all-ignored are how they "
                "usually come about, and tg.Watch finds the step",
                table=table.name,
                rows=rows[:KEPT],
                count=len(rows),
            )

"""A table of where the steps' time and memory went."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def profiled(device: str, *, wanted: bool) -> Iterator[None]:
    """In the block steps are measured; behind it the table is printed to standard error."""
    if not wanted:
        yield
        return
    from rich.console import Console
    from rich.table import Table

    from tokengraft.model.load import pick_device
    from tokengraft.training.profile import Profile, profiling

    profile = Profile(pick_device(device))
    with profiling(profile):
        yield
    table = Table("part", "ms a step", "share", "MiB in use behind it", title=f"{profile.steps} steps")
    for row in profile.table():
        memory = "" if row["mib"] is None else f"{row['mib']:.0f}"
        table.add_row(row["part"], f"{row['ms_per_step']:.1f}", f"{row['share']:.0%}", memory)
    Console(stderr=True).print(table)

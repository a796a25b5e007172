"""`tokengraft demo`: the whole flow on the bundled model."""

from tokengraft.cli.options import Device, Out, Seed, Settings, Size, Steps, Threads, assignments, nested


def demo(
    *,
    size: Size = None,
    steps: Steps = None,
    out: Out = None,
    device: Device = None,
    seed: Seed = None,
    threads: Threads = None,
    settings: Settings = None,
) -> None:
    """Show the whole flow on the bundled model: it knows Python's standard library and learns to read torch code."""
    from tokengraft.bundled import demo_settings
    from tokengraft.cli.summary import print_summary
    from tokengraft.config import RunConfig, merged

    flags = nested(
        {
            "tokens.size": size, "distill.steps": steps, "out": out, "device": device, "seed": seed,
            "threads": threads, **assignments(settings),
        }
    )  # fmt: skip
    chosen = RunConfig.from_dict(merged(demo_settings(), flags))

    from tokengraft.pipeline import expand as run

    print_summary(run(chosen))

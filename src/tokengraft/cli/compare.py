"""`tokengraft compare`: runs beside each other, with tests."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def compare(
    *runs: Annotated[
        str, Parameter(help="Folders, or FOLDER:MODEL, the first held against; one alone: its models; or study.yaml.")
    ],
    all_pairs: Annotated[bool, Parameter(negative=(), help="Every two runs, not only each against the first.")] = False,
    confidence: Annotated[float, Parameter(help="Level of the intervals.")] = 0.95,
    out: Annotated[Path | None, Parameter(help="Write a page: one HTML file. A study has one in its folder.")] = None,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
) -> None:
    """Compare runs problem by problem and document by document: who is better, and is it more than chance?

    One folder alone stands for all models that were measured in it. Given one YAML or TOML file with a part `study`,
    run its grid of methods and seeds, or go on with it; the model `demo:model` is the bundled one.
    """
    if len(runs) == 1 and runs[0].endswith((".yaml", ".yml", ".toml")):
        from tokengraft.bundled import MODEL_DIR
        from tokengraft.cli.printing import print_study
        from tokengraft.settings_file import read_settings
        from tokengraft.study import run_study

        settings = read_settings(Path(runs[0]))
        if settings.get("model") == "demo:model":
            settings["model"] = str(MODEL_DIR)
        print_study(run_study(settings), as_json=json, page=out)
        return

    from tokengraft.cli.compare_summary import print_comparison
    from tokengraft.evaluation.comparison import compare as compared
    from tokengraft.evaluation.comparison import read_figures

    figures = read_figures(runs)
    comparison = compared(figures, all_pairs=all_pairs, confidence=confidence)
    if out is not None:
        from tokengraft.reporting.comparison import write_comparison

        write_comparison(comparison, out, figures)
    print_comparison(comparison, out, as_json=json)

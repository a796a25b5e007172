"""Only what differs from the base."""

from pathlib import Path

from tokengraft.exporting import Options, Written, exporters
from tokengraft.exporting.finished import Finished
from tokengraft.exporting.patch import NAME, write_patch

LOADING = """import tempfile
from pathlib import Path
from tokengraft.exporting.patch import apply_patch
from transformers import AutoModelForCausalLM, AutoTokenizer

scratch = tempfile.TemporaryDirectory()
patched = apply_patch(Path(folder), base, Path(scratch.name) / "model")
model = AutoModelForCausalLM.from_pretrained(patched, dtype="auto")
tokenizer = AutoTokenizer.from_pretrained(patched)
"""


@exporters.register("patch")
def patch(finished: Finished, place: Path, options: Options) -> Written:
    """One file of what differs from the base, for `tokengraft apply`: megabytes instead of gigabytes."""
    del options
    write_patch(finished.base, finished.model, place / NAME)
    return Written(LOADING)

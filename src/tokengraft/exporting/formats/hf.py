"""A folder that plain transformers loads."""

import shutil
from pathlib import Path

from tokengraft.exporting import Options, Written, exporters
from tokengraft.exporting.finished import Finished
from tokengraft.model.load import load_model
from tokengraft.model.stored import stored_dtype
from tokengraft.tokenizer.extended import RECORD

LOADING = """from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
tokenizer = AutoTokenizer.from_pretrained(folder)
"""


@exporters.register("hf")
def hf(finished: Finished, place: Path, options: Options) -> Written:
    """A Hugging Face folder: safetensors in the base's dtype, tokenizer, settings; loads with transformers alone."""
    shutil.copytree(finished.model, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RECORD))
    if options.max_shard_size is not None:
        for path in place.glob("*.safetensors*"):
            path.unlink()
        name = str(finished.model)
        model = load_model(name, dtype="float32", device="cpu", trust_remote_code=options.trust_remote_code)
        model.to(stored_dtype(name)).save_pretrained(place, max_shard_size=options.max_shard_size)
    return Written(LOADING)

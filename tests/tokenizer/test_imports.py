"""Tokenizer work starts in a moment: nothing here needs torch or transformers."""

import subprocess
import sys

PROGRAM = """
import sys
from tokengraft.alignment import align
from tokengraft.tokenizer import extend_tokenizer, family_of
from tokengraft.tokenizer.candidates import methods
methods.names()
slow = {"torch", "transformers", "datasets", "pyarrow", "huggingface_hub"}
loaded = slow & {name.partition(".")[0] for name in sys.modules}
assert not loaded, loaded
"""


def test_a_fresh_process_loads_neither_torch_nor_transformers():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)

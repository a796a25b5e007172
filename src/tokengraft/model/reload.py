"""The same ids in transformers, tried in this process, where transformers is loaded anyway."""

import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, __version__

from tokengraft.tokenizer.elsewhere import TRANSFORMERS, Answer, differences, save_as_beside_a_model, texts_to_try
from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.promises import CheckResult, verdict


def same_ids_here(extended: ExtendedTokenizer, texts: Iterable[str] = ()) -> CheckResult:
    """Whether `AutoTokenizer` gives the ids that `tokenizers` gives, loaded and loaded again from what it saved."""
    tried = texts_to_try(extended, texts)
    ids = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, again = str(Path(folder, "first")), str(Path(folder, "again"))
        save_as_beside_a_model(extended, first)
        for place in (first, again):
            tokenizer: Any = AutoTokenizer.from_pretrained(place)
            ids.append(tokenizer(tried, add_special_tokens=False)["input_ids"])
            tokenizer.save_pretrained(again)
    wrong = list(differences(tried, extended.encode(tried), Answer(__version__, ids)))
    return verdict(TRANSFORMERS, wrong, f"{__version__}: {len(wrong)} of {2 * len(tried)} texts differ")

"""The same ids in transformers, tried in this process, where transformers is loaded anyway."""

import tempfile
import warnings
from collections.abc import Iterable, Iterator
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
        of_base = [*_of_the_base(extended, tried)] if wrong else []
    return verdict(TRANSFORMERS, [*of_base, *wrong], f"{__version__}: {len(wrong)} of {2 * len(tried)} texts differ")


def _of_the_base(extended: ExtendedTokenizer, texts: list[str]) -> Iterator[str]:
    """That the base's own folder is read otherwise than its `tokenizer.json` says: no extension mends that."""
    folder = Path(extended.base.name)
    if not (folder / "config.json").is_file():
        return
    loaded: Any = AutoTokenizer.from_pretrained(str(folder))
    pairs = zip(loaded(texts, add_special_tokens=False)["input_ids"], extended.base.encode(texts), strict=True)
    if count := sum(list(ids) != list(other) for ids, other in pairs):
        yield (
            f"the base's own folder, in which AutoTokenizer ({type(loaded).__name__}) encodes {count} of {len(texts)} "
            "texts otherwise than its tokenizer.json: its model type has a tokenizer class that builds another pipeline"
        )

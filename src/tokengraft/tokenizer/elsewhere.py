"""The same ids in transformers: tried in a process of its own, so that nothing here needs transformers or torch.

The process may be another Python, with another version of transformers in it.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.fuzz import fuzz_texts
from tokengraft.tokenizer.promises import CheckResult, verdict

TRANSFORMERS = "same ids in transformers"

TEXTS = 200
"""Texts drawn, beside those of the domain."""

SECONDS = 300
"""Longest time that the other process may take."""

PROGRAM = """
import json, sys, warnings
warnings.simplefilter("ignore")
import transformers
transformers.utils.logging.set_verbosity_error()
from transformers import AutoTokenizer
ids = []
for folder, again in zip(sys.argv[1:], sys.argv[2:]):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = texts if ids else json.load(sys.stdin)
    ids.append(tokenizer(texts, add_special_tokens=False)["input_ids"])
    tokenizer.save_pretrained(again)
print(json.dumps({"version": transformers.__version__, "ids": ids}))
"""
"""Loads the first folder, saves it to the second, loads that; prints the ids of the texts on its input."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one transformers made of the texts: loaded, and loaded again from what it saved."""

    version: str
    ids: Sequence[Sequence[Sequence[int]]]


def same_ids_elsewhere(
    extended: ExtendedTokenizer, texts: Iterable[str] = (), pythons: Sequence[str] = (sys.executable,)
) -> CheckResult:
    """Whether `AutoTokenizer` of each Python gives the ids that `tokenizers` gives, before and after it saved them.

    The configuration of the base's model, where it stands beside it, decides the class that loads, and goes along.
    """
    tried = texts_to_try(extended, texts)
    expected = extended.encode(tried)
    wrong, said = [], []
    with tempfile.TemporaryDirectory() as folder:
        places = [str(Path(folder, name)) for name in ("first", "again", "last")]
        save_as_beside_a_model(extended, places[0])
        for python in pythons:
            answer = _ask(python, places, tried)
            if isinstance(answer, str):
                said.append(f"{python}: {answer}")
                wrong.append(f"{python}: {answer}")
                continue
            differing = [*differences(tried, expected, answer)]
            wrong += differing
            said.append(f"{answer.version}: {len(differing)} of {len(answer.ids) * len(tried)} texts differ")
    return verdict(TRANSFORMERS, wrong, "; ".join(said))


def differences(texts: Sequence[str], expected: Sequence[Sequence[int]], answer: Answer) -> Iterable[str]:
    """The texts whose ids are others, with the version and the round."""
    for when, encoded in zip(("loaded", "saved and loaded"), answer.ids, strict=False):
        for text, ids, other in zip(texts, expected, encoded, strict=True):
            if list(ids) != list(other):
                yield f"{text[:60]!r} {when} by {answer.version}"


def installed() -> bool:
    """Whether this Python has transformers."""
    try:
        return find_spec("transformers") is not None
    except (ImportError, ValueError):  # a finder that blocks it
        return False


def _ask(python: str, places: Sequence[str], texts: Sequence[str]) -> Answer | str:
    """The ids, or why there are none."""
    changes: Mapping[str, str] = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "USE_TORCH": "0"}
    try:
        done = subprocess.run(  # noqa: S603 (the user names the interpreter, the program is ours)
            [python, "-c", PROGRAM, *places],
            input=json.dumps(texts),
            env={**os.environ, **changes},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"could not be asked ({error})"
    if done.returncode:
        return f"could not load it ({(done.stderr.strip().splitlines() or ['no message'])[-1][:200]})"
    said = json.loads(done.stdout.splitlines()[-1])
    return Answer(said["version"], said["ids"])


def texts_to_try(extended: ExtendedTokenizer, texts: Iterable[str] = ()) -> list[str]:
    """These texts, and others drawn with the new tokens in them."""
    return [*texts, *fuzz_texts(extended, [token.text for token in extended.new_tokens], TEXTS, 0)]


def save_as_beside_a_model(extended: ExtendedTokenizer, folder: str) -> None:
    """Writes the tokenizer, and beside it the configuration of the base's model where the base stands beside one."""
    extended.save(folder)
    config = Path(extended.base.name) / "config.json"
    if config.is_file():
        Path(folder, config.name).write_bytes(config.read_bytes())

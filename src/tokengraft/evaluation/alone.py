"""A model without its base: what can be said of it alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tokengraft.evaluation.artefacts import DoubleSubword
from tokengraft.evaluation.bits_per_byte import Cost
from tokengraft.evaluation.calibration import Calibration
from tokengraft.evaluation.passes import Measure, measure
from tokengraft.evaluation.reader import Reader
from tokengraft.evaluation.readings import PartReading, Reading
from tokengraft.evaluation.recall import NewTokenRecall
from tokengraft.evaluation.scorecard import Scorer
from tokengraft.tokenizer import Decomposition
from tokengraft.tokenizer.extended import RECORD


def read_alone(name: str, model: Any, scorer: Scorer, folder: str) -> Reading:
    """The model's own figures on the texts of a scorer that was begun with it and its own tokenizer.

    Where the folder has the record of an extension, new tokens are known, and with them recall, calibration and
    doubles; what is measured against a base is not there.

    Raises:
        ModelError: the model makes logits of hidden states in a way that is not known.
    """
    pieces = recorded_pieces(folder)
    parts = {}
    for part, (text, read) in scorer.texts.items():
        sizes = text.sizes.astype(np.float64)
        if pieces is None:
            parts[part] = PartReading(text, read.cost, read.cost.ratios(sizes))
            continue
        base = pieces.base_size
        cost, doubles, calibration, recall = Cost(), DoubleSubword(pieces), Calibration(base), NewTokenRecall(base)
        measures: list[Measure] = [cost, doubles, calibration, recall]
        measure(Reader.of(model, pieces.size), text.base_rows(), measures, what=f"{name} reads {part}",
                batch_tokens=scorer.batch_tokens)  # fmt: skip
        ratios = cost.ratios(sizes)
        for each in (doubles, calibration, recall):
            ratios |= each.ratios(len(sizes))
        parts[part] = PartReading(text, cost, ratios, calibration)
    return Reading(name, parts)


def recorded_pieces(folder: str) -> Decomposition | None:
    """The pieces of the new tokens, as the record in a model's folder has them; None where there is no record."""
    path = Path(folder) / RECORD
    if not path.is_file():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    return Decomposition.from_pieces(record["base_size"], [token["pieces"] for token in record["new_tokens"]])

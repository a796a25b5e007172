"""What a tokenizer is, how it treats a text, and what new tokens would find in it: facts as plain values."""

from tokengraft.tokenizer.inspection.anatomy import Anatomy, anatomy
from tokengraft.tokenizer.inspection.free import FreePlaces, free_places
from tokengraft.tokenizer.inspection.marks import MarkCuts, mark_cuts
from tokengraft.tokenizer.inspection.model_files import ModelFacts, model_facts
from tokengraft.tokenizer.inspection.usage import Usage, usage
from tokengraft.tokenizer.inspection.whole import Inspection, inspect_tokenizer
from tokengraft.tokenizer.inspection.words import WordReport, word_reports

__all__ = [
    "Anatomy",
    "FreePlaces",
    "Inspection",
    "MarkCuts",
    "ModelFacts",
    "Usage",
    "WordReport",
    "anatomy",
    "free_places",
    "inspect_tokenizer",
    "mark_cuts",
    "model_facts",
    "usage",
    "word_reports",
]

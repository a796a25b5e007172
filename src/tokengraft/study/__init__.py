"""A grid of methods × seeds on one model and corpus, at equal data and steps or at equal time, resumable.

The settings are those of a run with a part `study` beside them: see `StudyConfig`. What all variants share, the
tokenizer, the windows and the base's reading of the held-out text, is made once.
"""

from tokengraft.study.grid import Study, run_study
from tokengraft.study.settings import StudyConfig, study_settings
from tokengraft.study.table import Row, summarise, table_markdown

__all__ = ["Row", "Study", "StudyConfig", "run_study", "study_settings", "summarise", "table_markdown"]

"""Training on stretches, and on text that the model writes itself."""

import pytest

from tokengraft.config import DistillConfig
from tokengraft.errors import CorpusError
from tokengraft.init import initialise
from tokengraft.model import NewRows, grow
from tokengraft.phases.generated import generated_windows
from tokengraft.phases.rows import distill
from tokengraft.phases.texts import taught_windows, training_windows

SETTINGS = DistillConfig(max_length=48, tokens_per_step=400, steps=2, refit_positions=0)


@pytest.fixture
def grafted(untied, extension):
    grow(untied, extension)
    initialise(untied, extension)
    extension.base.decode = list
    extension.encode = lambda texts: [merged(extension, text) for text in texts]
    return untied


def merged(extension, ids):
    """The longest new token wherever its pieces stand."""
    known, result, place = {token.pieces: token.id for token in extension.new_tokens}, [], 0
    while place < len(ids):
        size = next((size for size in (4, 3, 2) if tuple(ids[place : place + size]) in known), 1)
        result.append(known.get(tuple(ids[place : place + size]), ids[place]))
        place += size
    return result


def test_each_text_begins_with_its_token_and_is_the_models_own(grafted, extension):
    made = generated_windows(grafted, extension, per_token=2, length=12, seed=3)
    assert [int(window.student[1]) for window in made] == [token.id for token in extension.new_tokens for _ in range(2)]
    assert all(len(window.teacher) == 13 for window in made)
    assert all(window.teacher.max() < 300 for window in made), "new rows are never predicted"
    again = generated_windows(grafted, extension, per_token=2, length=12, seed=3)
    other = generated_windows(grafted, extension, per_token=2, length=12, seed=4)
    assert all((one.teacher == two.teacher).all() for one, two in zip(made, again, strict=True))
    assert any((one.teacher != two.teacher).any() for one, two in zip(made, other, strict=True))


def test_rows_are_trained_on_what_the_settings_say(grafted, extension):
    windows = training_windows(grafted, extension, [[5, 301, 6, 7, 8, 9, 10, 11, 12, 302]], SETTINGS)
    before = NewRows.read(grafted, 300, 330)
    distill(grafted, extension, windows, settings=SETTINGS, snippet=16, snippets_per_token=1, piece_share=0.0)
    after = NewRows.read(grafted, 300, 330)
    moved = (after.inputs != before.inputs).any(1).nonzero()[:, 0].tolist()
    assert moved == [1, 2]
    distill(grafted, extension, windows, settings=SETTINGS, generated=1)
    assert (NewRows.read(grafted, 300, 330).inputs != after.inputs).any(1).sum() > 5


def test_text_without_new_tokens_has_no_stretches(grafted, extension):
    windows = training_windows(grafted, extension, [[5, 6, 7]], SETTINGS)
    assert taught_windows(grafted, extension, windows, SETTINGS, 0) is windows
    with pytest.raises(CorpusError, match="without a new token"):
        distill(grafted, extension, windows, settings=SETTINGS, snippet=16)

"""What `interpret` says of rows that were made to say it."""

import pytest
import torch

from tokengraft.config import DistillConfig
from tokengraft.evaluation.reader import Reader
from tokengraft.init import initialise
from tokengraft.interpret import after_new, geometry, logit_lens, neighbours, piece_cosines, substitution
from tokengraft.model import find_tables, grow
from tokengraft.phases.texts import training_windows


@pytest.mark.parametrize(("method", "place"), [("first-subtoken", "first"), ("last-subtoken", "last")])
def test_rows_that_are_copies_have_cosine_one_to_what_they_copy(any_model, extension, method, place):
    grow(any_model, extension)
    initialise(any_model, extension, inputs=method, head=method)
    for table in (find_tables(any_model).input_weight, find_tables(any_model).head_weight):
        found = piece_cosines(table, extension.new_tokens, 300)
        assert torch.allclose(getattr(found, place), torch.ones(30), atol=1e-5)
        assert abs(found.means()["random"]) < 0.3
        [near, *_] = neighbours(table, extension.new_tokens, 300, k=1)[0]
        piece = extension.new_tokens[0].pieces[0 if place == "first" else -1]
        assert (near.id, near.cosine) == (piece, pytest.approx(1.0, abs=1e-5))


def test_the_middle_is_a_mean_and_missing_where_there_is_none(any_model, extension):
    grow(any_model, extension)
    table = find_tables(any_model).input_weight.clone()
    token = next(token for token in extension.new_tokens if len(token.pieces) == 4)
    pair = next(token for token in extension.new_tokens if len(token.pieces) == 2)
    found = piece_cosines(table, [token, pair], 300, centred=False)
    table[300:330] = torch.randn(30, 32)
    found = piece_cosines(table, [token, pair], 300, centred=False)
    row = table[token.id] / table[token.id].norm()
    plain = [float(row @ table[piece] / table[piece].norm()) for piece in token.pieces[1:-1]]
    assert found.middle[0].item() == pytest.approx(sum(plain) / 2, abs=1e-5)
    assert found.middle[1].isnan()


def test_rows_that_collapsed_show():
    draw = torch.Generator().manual_seed(0)
    spread, line = (
        torch.randn(50, 20, generator=draw),
        torch.randn(20, generator=draw) * torch.randn(50, 1, generator=draw),
    )
    assert geometry(spread).effective_rank > 15
    assert geometry(line).effective_rank == pytest.approx(1.0, abs=1e-3)
    assert geometry(spread).spectrum.sum().item() == pytest.approx(1.0, abs=1e-5)


def test_substitution_replaces_one_occurrence_at_a_time(untied, extension):
    grow(untied, extension)
    initialise(untied, extension)
    windows = training_windows(untied, extension, extension.texts(8), DistillConfig(max_length=48))
    found = substitution(untied, windows, 300, 330)
    assert sum(entry.occurrences for entry in found.values()) == sum(
        (window.student >= 300).sum() for window in windows
    )
    assert all(entry.kl > 0 and entry.cosine < 1 for entry in found.values())
    window = next(window for window in windows if window.first_new < len(window.student))
    place = window.first_new
    number, end = int(window.student[place]), int(window.ends[place])
    start = int(window.ends[place - 1]) + 1
    reader = Reader.of(untied, 330)
    ids = [torch.tensor([*window.teacher[:start], number]), torch.from_numpy(window.teacher[: end + 1])]
    with torch.no_grad():
        q, p = (reader.logits(reader.hidden(each[None])[0, -1:])[0, :300].log_softmax(0) for each in ids)
    alone = substitution(untied, [window], 300, 330, most=1)[number]
    assert alone.kl == pytest.approx(float((p.exp() * (p - q)).sum()), rel=1e-3)


def test_the_last_layer_of_the_lens_is_the_model(any_model, extension):
    grow(any_model, extension)
    initialise(any_model, extension)
    ids = [5, 301]
    layers = logit_lens(any_model, ids, 330, k=4)
    assert [layer.layer for layer in layers] == [1, 2]
    with torch.no_grad():
        logits = any_model(torch.tensor([ids])).logits[0, -1, :330]
    assert layers[-1].tokens == tuple(logits.topk(4).indices.tolist())
    assert layers[-1].probabilities[0] == pytest.approx(float(logits.softmax(0).max()), rel=1e-3)


def test_what_is_expected_behind_a_new_token_is_what_the_model_says_there(untied, extension):
    grow(untied, extension)
    initialise(untied, extension)
    windows = training_windows(untied, extension, extension.texts(8), DistillConfig(max_length=48))
    found = after_new(untied, windows, extension, batch=3)
    second, true, shown = [], [], []
    for window in windows:
        with torch.no_grad():
            logits = untied(torch.from_numpy(window.student)[None]).logits[0, :, :300].softmax(1)
        for place, number in enumerate(window.student[:-1].tolist()):
            if number >= 300:
                own = extension.new_tokens[number - 300].pieces[1]
                follows = int(window.teacher[window.ends[place] + 1])
                second.append(int(logits[place].argmax()) == own)
                shown.append(follows == own)
                true.append(float(logits[place, follows]))
    assert found.occurrences == len(second)
    assert found.second_piece == pytest.approx(sum(second) / len(second))
    assert found.second_piece_in_text == pytest.approx(sum(shown) / len(shown))
    assert found.true_next == pytest.approx(sum(true) / len(true), rel=1e-4)
    assert after_new(untied, windows, extension, most=5).occurrences == 5
    plain = [window for window in windows if window.first_new == len(window.student)]
    assert after_new(untied, plain, extension) is None

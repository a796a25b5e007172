"""What the closing fit reads and keeps."""

from types import SimpleNamespace

import torch

from tokengraft.config import DistillConfig
from tokengraft.losses.fused import Head
from tokengraft.model import grow
from tokengraft.model.projection import find_projection
from tokengraft.model.rows import Composed, NewRows
from tokengraft.phases import training_windows
from tokengraft.phases.positions import read_positions

BAR = SimpleNamespace(update=lambda _: None)


def cross_entropy(part, head, rows):
    new = head.projection.logits(part.hidden.float(), rows.head, rows.bias)
    picked = new.gather(1, part.column.clamp_min(0)[:, None])[:, 0]
    chosen = torch.where(part.column >= 0, picked, part.old_target)
    return (torch.logaddexp(part.old_total, new.logsumexp(1)) - chosen).sum()


def test_what_is_read_is_what_the_model_says(any_model, extension, monkeypatch):
    """Against the plain way: whole windows through the model, full logits, log-softmax over both vocabularies."""
    model = grow(any_model, extension)
    rows = NewRows.read(model, extension.base_size, extension.size)
    torch.nn.init.normal_(rows.inputs, std=0.05)
    torch.nn.init.normal_(rows.head, std=0.05)
    rows.write(model, extension.base_size)
    windows = training_windows(model, extension, extension.texts(count=6), DistillConfig(max_length=40))[:5]
    composed = Composed(model.eval(), rows, extension.base_size)
    head = Head(composed.base_head, composed.base_bias, find_projection(model))
    monkeypatch.setattr("tokengraft.phases.positions.PART", 64)
    parts = read_positions(composed, head, windows, BAR)
    assert len(parts) > 1
    assert sum(len(part.column) for part in parts) == sum(len(window.student) - 1 for window in windows)
    total = sum(cross_entropy(part, head, rows) for part in parts)
    with torch.no_grad():
        plain = sum(
            torch.nn.functional.cross_entropy(
                model(torch.from_numpy(window.student)[None]).logits[0, :-1, : extension.size],
                torch.from_numpy(window.student)[1:],
                reduction="sum",
            )
            for window in windows
        )
    torch.testing.assert_close(total, plain, rtol=2e-3, atol=0, check_dtype=False)

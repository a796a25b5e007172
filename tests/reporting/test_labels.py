"""Names beside points: none lies on another, on the legend or outside, and there are some."""

import matplotlib as mpl
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tokengraft.reporting.charts import canvas
from tokengraft.reporting.labels import MOST, label_some
from tokengraft.reporting.svg import SETTINGS


@given(seed=st.integers(0, 1000), count=st.integers(0, 300), spread=st.sampled_from([0.001, 0.1, 1.0]))
@settings(max_examples=15, deadline=None)
def test_names_keep_apart(seed, count, spread):
    draw = np.random.default_rng(seed)
    x, y = draw.normal(0, spread, (2, count))
    x, y = np.append(x, [-1.0, 1.0]), np.append(y, [-1.0, 1.0])
    points = [(x[place], y[place], "word" * (1 + place % 6)) for place in range(len(x))]
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(380)
        axes.scatter(x, y)
        assert 1 <= label_some(axes, points) <= MOST
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in axes.texts]
        frame = axes.get_window_extent()
    assert not any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)

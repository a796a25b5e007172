"""Stretches around new tokens: what they hold, how long they are, and how many there are of each token."""

from collections import Counter

import numpy as np
import pytest

from tokengraft.training.snippets import snippets
from tokengraft.training.windows import collect_windows


@pytest.mark.parametrize("length", [6, 16, 50])
@pytest.mark.parametrize("per_token", [1, 3, 100])
def test_stretches(extension, length, per_token):
    windows = collect_windows(extension.texts(60), extension.decomposition, [0], 64, 300)
    found = snippets(windows, extension.decomposition, [0], length, per_token, 300)
    shown = Counter(int(number) for window in windows for number in window.student if number >= 300)
    seen = Counter(int(number) for window in found for number in window.student if number >= 300)
    assert set(seen) == set(shown), "no token is left out"
    longest = max(len(token.pieces) for token in extension.new_tokens)
    for window in found:
        assert window.student[0] == 0, "begun as a text begins"
        assert window.first_new < len(window.student)
        assert len(window.teacher) <= length + longest + 1
        assert np.array_equal(extension.decomposition.flatten(window.student), window.teacher)
    assert len(found) <= per_token * 30
    assert seen.total() <= shown.total(), "no place is trained twice"


def test_a_stretch_is_text_of_its_window(extension):
    windows = collect_windows([[5, 6, 7, 8, 301, 9, 10, 11, 12, 13, 302, 14]], extension.decomposition, [0], 64, 300)
    first, second = snippets(windows, extension.decomposition, [0], 8, 9, 300)
    whole = windows[0].student.tolist()
    for window in (first, second):
        inner = window.student[1:].tolist()
        assert any(whole[start : start + len(inner)] == inner for start in range(len(whole)))
    assert 301 in first.student
    assert 302 in second.student

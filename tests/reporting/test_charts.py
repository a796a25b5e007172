"""Charts belong to the page: well-formed, coloured by it, their text kept as text."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.reporting import charts
from tokengraft.reporting.data import Memory, Step
from tokengraft.reporting.folder import read_run
from tokengraft.reporting.svg import VARIABLES


@pytest.fixture
def drawn(run_folder):
    run = read_run(run_folder)
    return {
        "domain": charts.bits_per_byte(run.metrics, "domain"),
        "kl": charts.training_curve(run.steps, "kl", "KL"),
        "ceiling": charts.ceiling(0.2, 0.4),
        "memory": charts.memory(Memory(2**30, 2**31, None, "")),
        "stages": charts.stages({"count_pretokens": 1.5, "distil": 200.0}),
    }


def test_charts_are_well_formed_and_take_every_colour_from_the_page(drawn):
    for svg in drawn.values():
        root = ElementTree.fromstring(svg)  # noqa: S314 (drawn a line ago)
        assert root.attrib.keys() == {"viewBox", "role", "aria-label", "class"}
        for element in root.iter():
            assert "style" not in element.attrib
            assert element.tag.rpartition("}")[2] in {"svg", "g", "defs", "path", "use", "text", "clipPath", "rect"}
            for name in {"fill", "stroke"} & element.attrib.keys():
                assert element.attrib[name] in {"none", *VARIABLES.values()}


def _labels(svg):
    root = ElementTree.fromstring(svg)  # noqa: S314 (our own chart)
    return [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_figures_stand_beside_their_bars(drawn):
    assert _labels(drawn["domain"]) == [
        "base", "initialised", "distilled", "1.329", "1.791", "1.357", "Bits per byte, held-out domain text",
    ]  # fmt: skip
    assert [label.replace("\u202f", " ") for label in _labels(drawn["stages"])][:4] == [
        "count pretokens",
        "distil",
        "1.5 s",
        "3 min 20 s",
    ]


def test_bars_are_as_long_as_their_figures():
    svg = charts.ceiling(0.2, 0.4)
    paths = re.findall(r'<path d="([^"]+)"[^>]*fill="var\(--(?:accent|grey)\)"', svg)
    widths = []
    for path in paths:
        across = [float(number) for number in re.findall(r"[ML] ([\d.]+) ", path)]
        widths.append(max(across) - min(across))
    assert widths[1] / widths[0] == pytest.approx(2, rel=1e-4)


@pytest.mark.parametrize("values", [[], [1.0], [float("nan"), float("inf"), 2.0], [None, None, None]])
def test_no_curve_is_drawn_from_fewer_than_two_points(values):
    assert charts.training_curve([Step(i, value, None) for i, value in enumerate(values)], "kl", "KL") is None


@pytest.mark.parametrize("values", [[0.0, 0.0], [3.0, 3.0, 3.0], [1e-9, 1e9], [-1.0, 2.0, float("nan"), 1.0]])
def test_odd_curves_are_drawn(values):
    assert "<path" in charts.training_curve([Step(i, value, None) for i, value in enumerate(values)], "kl", "KL")


def test_bars_of_nothing_are_drawn():
    assert "0.00" in charts.stages({"count": 0.0})


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=120))
def test_smoothing_stays_between_the_least_and_the_most(values):
    smooth = charts.smoothed(np.array(values))
    assert len(smooth) == len(values)
    assert np.all(smooth >= min(values) - 1e-6)
    assert np.all(smooth <= max(values) + 1e-6 + 1e-9 * max(values))


def test_a_long_name_leaves_room_for_its_bar_and_is_heard_in_full():
    svg = charts.stages({"stage " * 20: 1.0})
    assert len(_labels(svg)[0]) == charts.LONGEST
    assert "stage " * 20 in svg


def test_letters_that_matplotlib_s_font_lacks_do_not_warn():
    assert "計數" in charts.stages({"計數": 1.0})

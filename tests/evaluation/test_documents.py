"""Figures by document, by token and by distance, each against its definition; and their intervals."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.config import EvaluationConfig
from tokengraft.evaluation.details import FOLDER, TOKENS, against, read_details, write_details, write_tokens
from tokengraft.evaluation.geometry import geometry
from tokengraft.evaluation.intervals import difference, differences, interval
from tokengraft.evaluation.paired_text import PairedText, since_new
from tokengraft.evaluation.per_token import BIT, verdict
from tokengraft.evaluation.scorecard import Scorer
from tokengraft.evaluation.sums import Ratio, Sums
from tokengraft.model import find_tables

SETTINGS = EvaluationConfig(window_bytes=96, max_bytes=100_000)


@pytest.fixture
def scorer(base_model, extension, code, english):
    return Scorer.begin(base_model, extension, domain=[*code[:6], english[0]], general=english[:6], settings=SETTINGS,
                        names={"domain": [f"d{number}" for number in range(7)]})  # fmt: skip


def slow(model, ids, size):
    """(log probabilities, id, next id) of each position of a row."""
    logits = model(torch.tensor([ids])).logits[0, :, :size].double().log_softmax(1)
    return [(logits[place], ids[place], ids[place + 1]) for place in range(len(ids) - 1)]


def test_sums_by_document_are_those_of_each_document_alone(scorer, base_model, grown, extension, code, english):
    detail = scorer.read("x", grown).detail()["domain"]["documents"]
    assert detail["name"] == [f"d{number}" for number in range(7)]
    texts = [*code[:6], english[0]]
    assert detail["bytes"] == [len(text.encode()) for text in texts]
    for place in (0, 6):
        alone = Scorer.begin(base_model, extension, domain=[texts[place]], settings=SETTINGS).score("x", grown)[
            "domain"
        ]
        assert alone["tokens"] == detail["tokens"][place]
        bits = detail["nats"][place] / math.log(2) / detail["bytes"][place]
        assert bits == pytest.approx(alone["bits_per_byte"], rel=1e-5)


def test_figures_of_each_token_equal_the_slow_ones(scorer, base_model, grown, extension):
    rows = scorer.read("x", grown).tokens()
    assert [row["verdict"] for row in rows].count("not seen") < 30
    slow_rows = [{"log": [], "top": [], "kl": [], "written": [], "read": []} for _ in rows]
    for window in scorer.texts["domain"][0].windows:
        ids = window.student.tolist()
        flat = [p for t in ids for p in (extension.new_tokens[t - 300].pieces if t >= 300 else (t,))]
        base = base_model(torch.tensor([flat])).logits[0, :, :300].double().log_softmax(1)
        cost = [0.0, *(-base[place, flat[place + 1]].item() for place in range(len(flat) - 1))]
        ends = np.cumsum([len(extension.new_tokens[t - 300].pieces) if t >= 300 else 1 for t in ids]) - 1
        logits = grown(torch.tensor([ids])).logits[0, :, :330].double()
        for place, token in enumerate(ids):
            if token >= 300:
                q = logits[place, :300].log_softmax(0)
                p = base[ends[place]]
                slow_rows[token - 300]["kl"].append((p.exp() * (p - q)).sum().item())
            if place + 1 == len(ids):
                continue
            after, here = ids[place + 1], logits[place].log_softmax(0)
            change = -here[after].item() - sum(cost[ends[place] + 1 : ends[place + 1] + 1])
            if token >= 300:
                slow_rows[token - 300]["read"].append(change)
            if after >= 300:
                slow_rows[after - 300]["log"].append(here[after].item())
                slow_rows[after - 300]["top"].append(int(here.argmax()) == after)
                slow_rows[after - 300]["written"].append(change)
    names = {"log_prob": "log", "top1": "top", "kl_after": "kl", "written_change": "written", "read_change": "read"}
    for row, by_hand in zip(rows, slow_rows, strict=True):
        assert row["count"] == len(by_hand["log"])
        for ours, theirs in names.items():
            expected = np.mean(by_hand[theirs]) if by_hand[theirs] else None
            assert row[ours] == (None if expected is None else pytest.approx(expected, rel=1e-4, abs=1e-5)), ours


def test_divergence_by_distance_adds_up_to_what_lies_behind_new_tokens(scorer, grown):
    detail = scorer.read("x", grown).detail()["domain"]["kl_by_distance"]
    windows = scorer.texts["domain"][0].windows
    behind = sum(int((since_new(window.student, 300) >= 0).sum()) for window in windows)
    assert sum(detail["positions"]) == behind
    assert detail["positions"][0] == sum(int((window.student >= 300).sum()) for window in windows)
    assert detail["nats"][0] > 0


def test_calibration_bins_hold_every_position(scorer, grown):
    reading = scorer.read("x", grown)
    bins, card = reading.detail()["domain"]["calibration"], reading.card()["domain"]
    assert sum(bins["positions"]) == card["tokens"]
    assert sum(bins["mass"]) / card["tokens"] == pytest.approx(card["mass_on_new"])
    assert sum(bins["new"]) / card["tokens"] == pytest.approx(card["rate_of_new"])
    for place, (positions, mass) in enumerate(zip(bins["positions"], bins["mass"], strict=True)):
        assert place / 10 * positions <= mass + 1e-4
        assert mass <= (place + 1) / 10 * positions + 1e-4


def test_a_model_that_reads_the_base_ids_is_compared_where_both_have_a_boundary(scorer, base_model):
    same, other = scorer.read("same", base_model, extended=False).card(), copy.deepcopy(base_model)
    with torch.no_grad():
        find_tables(other).head_weight[:300] += torch.randn(300, 32)
    assert same["domain"]["kl_to_base"] == pytest.approx(0, abs=1e-6)
    assert same["domain"]["bits_per_byte"] == pytest.approx(scorer.base()["domain"]["bits_per_byte"], rel=1e-6)
    assert "mass_on_new" not in same["domain"]
    assert scorer.read("other", other, extended=False).card()["domain"]["kl_to_base"] > 0.01
    assert scorer.read("other", other, extended=False).tokens() is None


def test_texts_that_the_extension_splits_otherwise_are_paired_by_bytes(extension, code):
    """Pieces that are not what the base makes of the text: positions are shared only where bytes are."""
    wrong = [replace(token, pieces=(0, 0)) for token in extension.new_tokens]
    strange = replace(extension, new_tokens=tuple(wrong))
    [true], [found] = (
        PairedText.of(code[:1], each, context=2000, window_bytes=4000).windows for each in (extension, strange)
    )
    assert found.teacher.tolist() == true.teacher.tolist()
    assert found.places.tolist() == true.places.tolist()
    assert found.ends.tolist() == true.ends.tolist()


def test_where_no_boundary_is_shared_nothing_is_compared(extension, code):
    [window] = PairedText.of(code[:1], extension, context=2000, window_bytes=4000).windows
    fewer = replace(window, places=window.places[::2], ends=window.ends[::2])
    from tokengraft.evaluation.paired_text import _next_cost

    costs = _next_cost(fewer, np.ones(len(window.teacher)))
    assert np.isnan(costs).all()
    assert np.nansum(_next_cost(window, np.ones(len(window.teacher)))) == len(window.teacher) - 1


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-1e6, 1e6)), max_size=30))
def test_sums_are_kept_by_document(entries):
    sums = Sums()
    for start in range(0, len(entries), 7):
        part = entries[start : start + 7]
        sums.add(torch.tensor([d for d, _ in part]), {"x": torch.tensor([v for _, v in part], dtype=torch.float64)})
    for document in range(6):
        assert sums.by_document("x", 6)[document] == pytest.approx(
            sum(v for d, v in entries if d == document), abs=1e-6
        )


def test_intervals_hold_the_figure_and_shrink_with_agreement(scorer, grown):
    card = scorer.score("x", grown)["domain"]
    low, high = card["intervals"]["bits_per_byte"]
    assert low < card["bits_per_byte"] < high
    assert interval(Ratio(np.ones(3), np.ones(3))) is None, "three documents say nothing of how documents differ"
    assert interval(Ratio(np.array([1.0, 1, 1, 1, 1, 9]), np.array([2.0, 2, 2, 2, 2, 0]))) == [0.5, 0.5]


def test_a_difference_is_paired(scorer, grown):
    base, other = scorer.base_reading(), scorer.read("x", grown)
    [bits, tokens, *_] = differences([base.detail(), other.detail()], [("base", "x")])
    assert (bits["part"], bits["metric"], tokens["metric"]) == ("domain", "bits_per_byte", "tokens_per_byte")
    cards = [scorer.base()["domain"], scorer.score("x", grown)["domain"]]
    assert bits["change"]["value"] == pytest.approx(cards[1]["bits_per_byte"] - cards[0]["bits_per_byte"])
    assert bits["change"]["low"] <= bits["change"]["value"] <= bits["change"]["high"]
    assert tokens["change"]["high"] < 0, "fewer tokens in every document"
    same = difference(base.parts["domain"].ratios["bits_per_byte"], base.parts["domain"].ratios["bits_per_byte"])
    assert (same["value"], same["low"], same["high"], same["p_value"]) == (0, 0, 0, 1)


def test_pairs_name_the_last_model_and_the_control():
    assert against(["base"]) == []
    assert against(["base", "x"]) == [("base", "x")]


@pytest.mark.parametrize(
    ("written", "read", "expected"),
    [
        (0.0, 0.0, "learned"), (BIT + 0.1, 0, "read only"), (0, BIT + 0.1, "written only"), (2, 2, "not learned"),
        (None, None, "not seen"), (0.1, None, "learned"), (None, 2, "written only"),
    ],
)  # fmt: skip
def test_verdicts(written, read, expected):
    assert verdict(written, read) == expected


def test_details_are_written_and_read(scorer, grown, extension, tmp_path):
    reading = scorer.read("x", grown)
    write_details(tmp_path, reading, geometry(grown, extension))
    [detail] = read_details(tmp_path, ["gone", "x"])
    assert detail["domain"]["documents"]["bytes"] == reading.detail()["domain"]["documents"]["bytes"]
    write_tokens(tmp_path, [detail], [token.to_dict() for token in extension.new_tokens])
    lines = [json.loads(line) for line in (tmp_path / FOLDER / TOKENS).read_text().splitlines()]
    assert [line["id"] for line in lines] == list(range(300, 330))
    assert {line["verdict"] for line in lines} <= {"learned", "written only", "read only", "not learned", "not seen"}
    assert lines[0]["models"]["x"]["log_prob"] == pytest.approx(detail["tokens"][0]["log_prob"], abs=1e-4)


def test_geometry_is_that_of_the_tables(grown, extension):
    found = geometry(grown, extension)
    table = find_tables(grown).input_weight
    first = [torch.cosine_similarity(table[t.id], table[t.pieces[0]], dim=0).item() for t in extension.new_tokens]
    assert found["inputs"]["cosines"]["first"][0] == pytest.approx(min(first), abs=1e-4)
    assert found["inputs"]["cosines"]["first"][-1] == pytest.approx(max(first), abs=1e-4)
    assert found["inputs"]["norms"]["new"][16] == pytest.approx(
        table[300:330].norm(dim=1).quantile(0.5).item(), abs=1e-4
    )
    assert ("head" in found) != find_tables(grown).tied
    where = found["map"]
    assert where["kinds"].count("new") == 30
    assert len(where["x"]) == len(where["y"]) == len(where["ids"]) == len(set(where["ids"]))
    assert 0 < where["explained"] <= 1
    assert json.loads(json.dumps(found, allow_nan=False)) == found

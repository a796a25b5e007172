"""Every figure of a scorecard against a slow computation, window by window and position by position."""

import json
import math

import pytest
import torch

from tokengraft.config import EvaluationConfig
from tokengraft.evaluation.artefacts import repeats_tail
from tokengraft.evaluation.generation import Continuation
from tokengraft.evaluation.scorecard import Scorer, gap_closed, generation_score

SETTINGS = EvaluationConfig(window_bytes=96, max_bytes=1500)


@pytest.fixture
def scorer(base_model, extension, heldout, english):
    return Scorer.begin(base_model, extension, domain=heldout, general=english[:2], settings=SETTINGS)


def pieces(extension, token):
    return extension.new_tokens[token - 300].pieces if token >= 300 else (token,)


def slow_positions(scorer, base_model, grown, extension, part):
    """(base logits, extended logits, id, next id) of each position of each window, without batches or padding."""
    for window in scorer.texts[part][0].windows:
        ids = window.student.tolist()
        flat = [piece for token in ids for piece in pieces(extension, token)]
        base = base_model(torch.tensor([flat])).logits[0, :, :300].double()
        extended = grown(torch.tensor([ids])).logits[0, :, :330].double()
        end = -1
        for place, token in enumerate(ids):
            end += len(pieces(extension, token))
            yield base[end], extended[place], token, ids[place + 1] if place + 1 < len(ids) else None


def slow_card(positions, extension):
    """The figures of `Scorer.score`, each by its definition."""
    everything = list(positions)
    followed = [entry for entry in everything if entry[3] is not None]
    after_new = [entry for entry in followed if entry[2] >= 300]
    before_new = [entry for entry in followed if entry[3] >= 300]
    kl = [torch.kl_div(q[:300].log_softmax(0), p.log_softmax(0), log_target=True).sum() for p, q, *_ in everything]
    ranks = [1 + int((q > q[true]).sum()) for _, q, _, true in before_new]

    def doubles(token, following):
        return repeats_tail(pieces(extension, token), pieces(extension, int(following)))

    return {
        "nats": -sum(q.log_softmax(0)[true].item() for _, q, _, true in followed),
        "tokens": len(followed),
        "kl_to_base": sum(each.item() for each in kl) / len(kl),
        "mass_on_new": sum(q.softmax(0)[300:].sum().item() for _, q, *_ in followed) / len(followed),
        "rate_of_new": len(before_new) / len(followed),
        "double_subword_rate": sum(doubles(t, q.argmax()) for _, q, t, _ in after_new) / max(1, len(after_new)),
        "double_subword_rate_in_text": sum(doubles(t, true) for _, _, t, true in after_new) / max(1, len(after_new)),
        "new_token_top1": sum(rank == 1 for rank in ranks) / max(1, len(ranks)),
        "new_token_mrr": sum(1 / rank for rank in ranks) / max(1, len(ranks)),
    }


def test_every_figure_equals_the_slow_one(scorer, base_model, grown, extension, heldout):
    card = scorer.score("initialised", grown)
    slow = slow_card(slow_positions(scorer, base_model, grown, extension, "domain"), extension)
    domain = card["domain"]
    assert domain["bytes"] == sum(len(text.encode()) for text in heldout)
    assert domain["tokens"] == slow["tokens"]
    assert domain["bits_per_byte"] == pytest.approx(slow.pop("nats") / math.log(2) / domain["bytes"], rel=1e-5)
    assert slow["rate_of_new"] > 0.1
    for name, value in slow.items():
        assert domain[name] == pytest.approx(value, rel=1e-4, abs=1e-7), name


def test_bytes_and_base_figures_do_not_depend_on_who_is_asked(scorer, grown, extension, heldout, english):
    """The grown model still holds the base, so one object may serve as both."""
    alone = Scorer.begin(grown, extension, domain=heldout, general=english[:2], settings=SETTINGS)
    for part in ("domain", "general"):
        ours, theirs = alone.base()[part], scorer.base()[part]
        assert ours["bits_per_byte"] == pytest.approx(theirs["bits_per_byte"], rel=1e-6)
        assert (ours["bytes"], ours["kl_to_base"]) == (theirs["bytes"], 0.0)
    assert alone.score("x", grown)["domain"]["kl_to_base"] == pytest.approx(
        scorer.score("x", grown)["domain"]["kl_to_base"], rel=1e-5
    )


def test_text_without_new_tokens_shows_no_divergence(base_model, grown, extension, english):
    texts = [text for text, ids in zip(english, extension.encode(english), strict=True) if max(ids) < 300][:2]
    assert texts
    scorer = Scorer.begin(base_model, extension, domain=texts, settings=SETTINGS)
    domain = scorer.score("x", grown)["domain"]
    assert abs(domain["kl_to_base"]) < 1e-6
    assert domain["rate_of_new"] == 0
    assert domain["mass_on_new"] > 0
    assert domain["double_subword_rate"] is None
    assert domain["new_token_mrr"] is None


def test_a_moved_old_row_shows_as_divergence(grown, extension, heldout):
    """The teacher is the base as it was, also where the scorer was begun with the model that is then trained."""
    alone = Scorer.begin(grown, extension, domain=heldout, settings=SETTINGS)
    before = alone.score("x", grown)["domain"]["kl_to_base"]
    torch.manual_seed(1)
    with torch.no_grad():
        grown.get_output_embeddings().weight[:300] += torch.randn(300, 32) * 0.1
    assert alone.score("x", grown)["domain"]["kl_to_base"] > before * 1.01


def test_a_card_is_json_and_names_what_was_not_measured(base_model, grown, extension, heldout):
    scorer = Scorer.begin(base_model, extension, domain=heldout, settings=SETTINGS)
    for card in (scorer.base(), scorer.score("distilled", grown)):
        assert json.loads(json.dumps(card, allow_nan=False)) == card
        assert card["general"] is None
    assert list(scorer.base()) == ["name", "domain", "general"]


def test_gap_closed_is_open_where_nothing_was_lost():
    cards = [{"domain": {"bits_per_byte": bits}} for bits in (1.0, 0.9, 0.8)]
    assert gap_closed(*cards) is None


def test_what_was_generated_is_scored(extension, code):
    rows = extension.encode(code[:2])
    written = [Continuation("", "", ids, 100, 20, 0.5, "length") for ids in rows]
    score = generation_score(written, extension.file, extension.decomposition)
    assert score["canonical_ratio"] == 1
    assert score["adopted"] == 1
    assert score["tokens"] == sum(map(len, rows))
    assert (score["bytes_per_step"], score["bytes_per_second"]) == (5, 200)
    assert generation_score([], extension.file, extension.decomposition) == {
        "tokens": 0, "canonical_ratio": None, "adopted": None, "new_possible": 0, "double_subword_rate": None,
        "bytes_per_step": None, "bytes_per_second": None,
    }  # fmt: skip

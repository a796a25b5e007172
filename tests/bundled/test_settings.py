"""The demo's settings, and the model that ships with the package."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tokengraft.bundled import MODEL_DIR, demo_settings
from tokengraft.config import RunConfig
from tokengraft.corpus.python_sources import general_texts
from tokengraft.errors import TokengraftError
from tokengraft.evaluation.windows import byte_windows
from tokengraft.model.load import check_model


def test_demo_settings_are_a_configuration():
    config = RunConfig.from_dict(demo_settings())
    assert config.tokens.size >= 500
    assert Path(config.model) == MODEL_DIR
    assert (config.corpus.path, config.general.path, config.replay.path) == (
        "demo:domain",
        "demo:general",
        "demo:replay",
    )
    assert config.evaluation.memory, "the demo prints its memory beside the plain way's"
    assert config.seed == 0
    assert not config.trust_remote_code


def test_demo_settings_are_made_anew_each_time():
    demo_settings()["tokens"]["size"] = 1
    assert demo_settings()["tokens"]["size"] != 1


@pytest.fixture(scope="module")
def bundled():
    """(model, tokenizer) as plain transformers loads them."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(MODEL_DIR, dtype=torch.float32).eval()
    return model.requires_grad_(requires_grad=False), AutoTokenizer.from_pretrained(MODEL_DIR)


def test_the_folder_is_a_model_and_small_enough():
    try:
        check_model(str(MODEL_DIR))
    except TokengraftError as error:
        pytest.fail(str(error))
    files = [path for path in MODEL_DIR.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12_000_000
    assert not [path for path in files if path.suffix in {".bin", ".pt", ".pth", ".pkl", ".tmp"}]


def test_the_model_is_an_untied_llama(bundled):
    model, tokenizer = bundled
    assert model.config.model_type == "llama"
    assert model.get_input_embeddings().weight.data_ptr() != model.get_output_embeddings().weight.data_ptr()
    assert not model.config.tie_word_embeddings
    assert 2048 <= len(tokenizer) <= 4096
    assert model.config.vocab_size == len(tokenizer)


def test_the_tokenizer_keeps_every_text(bundled):
    _, tokenizer = bundled
    assert tokenizer.bos_token_id == tokenizer("")["input_ids"][0] == 0
    for text in ("def f(x):\n    return x + 1\n", "grüß Gott 你好 🙂\r\n\t", "x" * 300, "  lead", "tail  "):
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def bits_per_byte(model, tokenizer, windows):
    """By whole logits, a window at a time, each begun with the begin token."""
    nats = size = 0
    for window in windows:
        ids = torch.tensor(tokenizer(window)["input_ids"][: model.config.max_position_embeddings])
        assert tokenizer.decode(ids, skip_special_tokens=True) == window, "the window fits the context"
        nats += F.cross_entropy(model(ids[None]).logits[0, :-1], ids[1:], reduction="sum").item()
        size += len(window.encode())
    return nats / math.log(2) / size


def test_the_model_knows_the_standard_library(bundled):
    texts = [text for _, text in general_texts(heldout=True)]
    windows = [window for window in byte_windows(texts) if len(window.encode()) >= 1000]
    fitting = [
        window for window in windows[:: max(1, len(windows) // 60)] if len(bundled[1](window)["input_ids"]) <= 512
    ]
    assert len(fitting) >= 30
    assert bits_per_byte(*bundled, fitting) <= 1.7


def test_the_model_has_not_seen_the_domain(bundled):
    """It reads its own kind of text far better than what the demo teaches it."""
    modelling = "        hidden_states = self.self_attn(hidden_states, attention_mask=attention_mask)\n" * 6
    library = "    def __repr__(self):\n        return '%s(%r)' % (self.__class__.__name__, self.name)\n" * 5
    first = [bits_per_byte(*bundled, [text[: len(text) // 5]]) for text in (modelling, library)]
    assert first[0] > 1.3 * first[1]


def test_the_card_and_its_figures_are_there():
    figures = json.loads((MODEL_DIR / "training.json").read_text())
    card = (MODEL_DIR / "README.md").read_text()
    assert figures["heldout_bits_per_byte"] <= 1.7
    for shown in (f"{figures['heldout_bits_per_byte']:.3f} bits per byte", figures["command"], figures["python"]):
        assert shown in card
    assert len(figures["curve"]) >= 3
    assert figures["curve"][-1]["heldout_bits_per_byte"] < figures["curve"][0]["heldout_bits_per_byte"]
    assert "```python" in card, "it shows what the model writes"

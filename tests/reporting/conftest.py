"""A run folder as the pipeline leaves it, made up from a seed: the same files, names and types, plausible figures."""

import json
import math
import random
import re
from collections import Counter

import pytest

SOURCE = '''class LlamaAttention(nn.Module):
    """Multi-headed attention from 'Attention Is All You Need' paper"""

    def __init__(self, config: LlamaConfig, layer_idx: int):
        super().__init__()
        self.config = config
        self.head_dim = getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
        self.num_key_value_groups = config.num_attention_heads // config.num_key_value_heads
        self.q_proj = nn.Linear(config.hidden_size, config.num_attention_heads * self.head_dim, bias=False)
\tself.attention_dropout = config.attention_dropout

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
        input_shape = hidden_states.shape[:-1]
        query_states = self.q_proj(hidden_states).view(hidden_shape).transpose(1, 2)
        attn_weights = torch.matmul(query_states, key_states.transpose(2, 3)) * self.scaling
        attn_weights = nn.functional.softmax(attn_weights, dim=-1, dtype=torch.float32)
        return self.o_proj(attn_output.reshape(*input_shape, -1).contiguous())
'''
BASE_SIZE = 3072


def _words(text):
    return re.findall(r" ?[A-Za-z]+|\n +| ?[^A-Za-z\n]+|\n", text)


def _pieces(word):
    return [word[place : place + 3] for place in range(0, len(word), 3)]


def _base_id(piece):
    return sum(map(ord, piece)) % BASE_SIZE


def _candidates():
    counts = Counter(word for word in _words(SOURCE) if len(word) > 3)
    draw = random.Random(3)
    stems = ["layer", "norm", "query", "value", "token", "mask", "head"]
    words = [*counts, *(f" {stem}_{number}" for stem in stems for number in range(20))]
    lines = []
    for place, word in enumerate(words):
        count = draw.randint(40, 4000) // (1 + place // 8)
        pieces = _pieces(word)
        lines.append(
            {
                "id": BASE_SIZE + place,
                "token": word.replace(" ", "Ġ").replace("\n", "Ċ"),
                "text": word,
                "bytes": word.encode().hex(),
                "pieces": [_base_id(piece) for piece in pieces],
                "piece_texts": pieces,
                "merge": [1, 2],
                "count": count,
                "saved": count * (len(pieces) - 1) * 2 // 3,
                "score": float(count),
                "notes": ["whitespace run"] if not word.strip() else ["intermediate"] if place % 9 == 4 else [],
            }
        )
    broken = {
        **lines[-1],
        "id": BASE_SIZE + len(words),
        "text": "\ufffd",
        "bytes": "e296",
        "notes": ["incomplete UTF-8"],
    }
    rejected = {"token": "xx", "pieces": [1, 2], "rejected": "counted less than 2 times"}
    return [*lines, broken, rejected, rejected]


def _passage(name, text, new):
    words = _words(text)
    base = [[piece, _base_id(piece)] for word in words for piece in _pieces(word)]
    extended = [
        pair
        for word in words
        for pair in ([[word, new[word]]] if word in new else [[piece, _base_id(piece)] for piece in _pieces(word)])
    ]
    return {"name": name, "base": base, "extended": extended}


def _samples(candidates):
    new = {line["text"]: line["id"] for line in candidates if "id" in line}
    lines = SOURCE.splitlines(keepends=True)
    passages = [
        _passage("models/llama/modeling_llama.py", SOURCE, new),
        _passage("models/mistral/modeling_mistral.py", "".join(lines[10:]), new),
    ]
    written = {
        "text": "config.hidden_size)\n        self.dropout = nn.Dropout(config.dropout)\n",
        "tokens": 22,
        "seconds": 0.41,
    }
    weak = {"text": "config.config.config.hidden_hidden\n", "tokens": 16, "seconds": 0.3}
    after = {**written, "tokens": 14, "seconds": 0.27}
    prompts = ["        self.layer_norm = nn.LayerNorm(", "    def forward(self, hidden_states"]
    return {
        "passages": passages,
        "continuations": [{"prompt": p, "base": written, "initialised": weak, "distilled": after} for p in prompts],
    }


def _log(steps=300):
    draw = random.Random(5)
    yield {"event": "stage", "stage": "distil"}
    for step in range(1, steps + 1):
        fall = math.exp(-step / 50)
        yield {
            "event": "step",
            "step": step,
            "kl": (0.03 + 0.42 * fall) * draw.lognormvariate(0, 0.18),
            "cross_entropy": (1.7 + 2.3 * fall) * draw.lognormvariate(0, 0.05),
            "rate": 3e-3,
            "seconds": 0.4 * step,
        }


def _score(bits, tokens, kl, double):
    return {"bits_per_byte": bits, "bytes": 200_000, "tokens": tokens, "kl_to_base": kl, "double_subword_rate": double}


def make_metrics():
    fertility = {"bytes": 4_812_331, "documents": 312, "tokens_base": 1_642_118, "tokens_extended": 1_264_730}
    return {
        "title": "Python's standard library learns to read transformers",
        "model": "tokengraft/bundled",
        "corpus": "site-packages/transformers/models",
        "general": "lib/python3.11",
        "seed": 0,
        "hardware": {"cpu": "AMD EPYC 7B13", "cores": 2, "memory_gib": 24, "device": "cpu", "gpu": None},
        "versions": {"tokengraft": "0.1.0", "python": "3.11.2", "torch": "2.13.0", "transformers": "5.23.0"},
        "tokens": {
            "added": 800,
            "asked": 800,
            "base_size": BASE_SIZE,
            "method": "continued-bpe",
            "family": "byte-level BPE",
            "fertility": {
                "domain": {**fertility, "documents_longer": 0},
                "general": {**fertility, "tokens_extended": 1_611_002, "documents_longer": 0},
            },
            "ceiling": {"domain": 0.441},
        },
        "checks": [
            {"name": "decomposition", "passed": True, "detail": "New ids expanded are the base's ids on 624 texts."},
            {"name": "old ids", "passed": True, "detail": "All 3 072 old tokens keep their id after a reload."},
            {"name": "reachable", "passed": True, "detail": "800 of 800 new tokens come out of their own text."},
            {"name": "round trip", "passed": True, "detail": "Decoding gives back 624 of 624 texts byte for byte."},
        ],
        "exactness": {"old_rows_identical": True, "old_logits_identical": True, "compared_logits": 3_145_728},
        "models": [
            {"name": "base", "domain": _score(1.329, 68_000, 0.0, None), "general": _score(1.412, 66_000, 0.0, None)},
            {
                "name": "initialised",
                "domain": _score(1.791, 52_000, 0.412, 0.118),
                "general": _score(1.47, 65_000, 0.05, 0.1),
            },
            {
                "name": "distilled",
                "domain": _score(1.357, 52_000, 0.0312, 0.021),
                "general": _score(1.416, 65_000, 0.004, 0.02),
            },
        ],
        "gap_closed": 0.939,
        "memory": {
            "engine_bytes": 911_000_000,
            "plain_bytes": 1_630_000_000,
            "baseline_bytes": 402_000_000,
            "how": "Peak resident memory of a fresh process for each way, same batch of 4 096 tokens.",
        },
        "timing": {
            "stages": {"count": 1.9, "choose": 3.2, "check": 6.1, "grow": 0.4, "distil": 121.5, "evaluate": 48.2},
            "total_seconds": 183.1,
        },
        "training": {"steps": 300, "tokens": 1_204_332, "seconds": 121.5},
    }


def write_run(folder, metrics, samples, candidates, log):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "samples.json").write_text(json.dumps(samples))
    (folder / "candidates.jsonl").write_text("".join(json.dumps(line) + "\n" for line in candidates))
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    (folder / "config.yaml").write_text("model: bundled\ncorpus:\n  path: models\n  include: ['*.py']\nseed: 0\n")
    return folder


@pytest.fixture
def make_run(tmp_path):
    """Makes a run folder; `change(metrics, samples, candidates)` may alter it before it is written."""

    def make(change=None, name="run"):
        metrics, candidates = make_metrics(), _candidates()
        samples = _samples(candidates)
        if change is not None:
            change(metrics, samples, candidates)
        return write_run(tmp_path / name, metrics, samples, candidates, _log())

    return make


@pytest.fixture
def run_folder(make_run):
    return make_run()

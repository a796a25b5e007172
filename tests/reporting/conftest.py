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


def _quantiles(low, high):
    return [low + (high - low) * place / 32 for place in range(33)]


def _geometry(draw):
    cosines = {"first": _quantiles(-0.1, 0.4), "middle": _quantiles(-0.1, 0.5), "last": _quantiles(0.0, 0.8)}
    figures = {"cosines": cosines, "norms": {"old": _quantiles(0.4, 1.6), "new": _quantiles(0.5, 1.2)}}
    kinds = ["old"] * 20 + ["piece"] * 20 + ["new"] * 20
    return {
        "inputs": figures,
        "head": figures,
        "map": {
            "ids": list(range(60)),
            "texts": [f" word{number}" for number in range(60)],
            "kinds": kinds,
            "x": [draw.gauss(0, 1) for _ in kinds],
            "y": [draw.gauss(0, 1) for _ in kinds],
            "explained": 0.137,
        },
    }


def _learned(draw):
    return {
        "verdict": draw.choice(["learned", "learned", "read only", "not seen"]),
        "top1": draw.random(),
        "log_prob": -3 * draw.random(),
        "kl_after": draw.random(),
        "written_change": draw.random(),
        "read_change": draw.random(),
    }


def make_evaluation(candidates, names=("base", "initialised", "distilled")):
    """Files of `evaluation/` by name."""
    draw = random.Random(7)
    files = {}
    sizes = [draw.randint(2000, 9000) for _ in range(24)]
    for place, name in enumerate(names):
        part = {
            "documents": {
                "name": [f"document {number}" for number in range(24)],
                "bytes": sizes,
                "tokens": [size / (2.9 if place == 0 else 3.7 + draw.random() / 3) for size in sizes],
                "nats": [size * (0.9 - 0.02 * place) for size in sizes],
            },
            "calibration": (place and {
                "positions": [900, 300, 200, 100, 90, 80, 70, 60, 50, 40],
                "mass": [45, 45, 50, 35, 40.5, 44, 45.5, 45, 42.5, 38],
                "new": [30, 40, 50, 40, 41, 42, 43, 44, 41, 38],
            }) or None,
            "kl_by_distance": (place and {
                "nats": [0.5 / (1 + number) / place for number in range(33)],
                "positions": [400 - 10 * number for number in range(33)],
            }) or None,
        }  # fmt: skip
        files[f"{name}.json"] = {"name": name, "domain": part, "geometry": _geometry(draw) if place else None}
    lines = [
        {"id": line["id"], "text": line["text"], "count": draw.randint(0, 40), "verdict": "learned",
         "models": {name: _learned(draw) for name in names[1:]}}
        for line in candidates if "id" in line
    ]  # fmt: skip
    files["tokens.jsonl"] = lines
    return files


def write_evaluation(folder, files):
    (folder / "evaluation").mkdir(exist_ok=True)
    for name, value in files.items():
        lines = value if isinstance(value, list) else [value]
        (folder / "evaluation" / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


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


def _change(before, part, value, spread, metric="bits_per_byte", p_value=0.001):
    change = {"value": value, "low": value - spread, "high": value + spread, "p_value": p_value, "documents": 24}
    return {"before": before, "after": "distilled", "part": part, "metric": metric, "change": change}


@pytest.fixture
def measured_folder(make_run):
    """A run with everything measured: intervals, differences, single tokens, a control, tasks, later phases."""

    def change(metrics, samples, candidates):
        base, *others = metrics["models"]
        control = {**json.loads(json.dumps(base)), "name": "control"}
        metrics["models"] = [base, control, *others]
        for card in metrics["models"]:
            bits = card["domain"]["bits_per_byte"]
            card["domain"]["intervals"] = {"bits_per_byte": [bits - 0.02, bits + 0.02], "new_token_top1": None}
            card["generation"] = {
                "adopted": 0.76, "canonical_ratio": 0.94, "bytes_per_step": 2.9, "bytes_per_second": 310.0,
                "new_possible": 25, "tokens": 100, "double_subword_rate": None,
            }  # fmt: skip
        for card in metrics["models"][2:]:
            card["domain"] |= {
                "documents": 24, "tokens_per_byte": 0.27, "mass_on_new": 0.15, "rate_of_new": 0.177,
                "calibration_error": 0.012, "new_token_top1": 0.38, "new_token_mrr": 0.47,
                "double_subword_rate_in_text": 0.001,
            }  # fmt: skip
        metrics["differences"] = [
            _change("base", "domain", -0.25, 0.03), _change("control", "domain", -0.11, 0.04),
            _change("base", "general", 0.004, 0.02, p_value=0.7), _change("initialised", "domain", -0.43, 0.05),
            _change("base", "domain", -0.08, 0.01, "tokens_per_byte"),
            {**_change("base", "general", 0, 0), "change": None},
        ]  # fmt: skip
        metrics["verdicts"] = {"learned": 540, "written only": 20, "read only": 60, "not learned": 15, "not seen": 165}
        metrics["lm_eval"] = {
            name: {
                "arc_easy": {"metrics": {"acc": {"value": value, "stderr": 0.01}}, "documents": 200, "outcomes": None}
            }
            for name, value in (("base", 0.31), ("distilled", 0.29))
        }
        metrics["lm_eval_differences"] = [
            {"before": "base", "after": "distilled", "task": "arc_easy", "documents": 200, "only_before": 9,
             "only_after": 5, "p_value": 0.42}
        ]  # fmt: skip
        del samples, candidates

    folder = make_run(change)
    write_evaluation(folder, make_evaluation(_candidates(), ("base", "control", "initialised", "distilled")))
    draw = random.Random(9)
    with (folder / "log.jsonl").open("a") as log:
        for part in ("tables", "control tables"):
            for step in range(1, 60):
                event = {
                    "event": "phase step",
                    "part": part,
                    "step": step,
                    "cross_entropy": 3 - step / 60 + draw.random() / 5,
                    "nats_per_base_token": 2 - step / 60 + draw.random() / 5,
                }
                log.write(json.dumps({**event, "rate": 0.1, "tokens": 99, "seconds": 0.1}) + "\n")
    return folder


@pytest.fixture
def run_folder(make_run):
    return make_run()

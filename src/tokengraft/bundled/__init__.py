"""The small pretrained model that ships with tokengraft, the demo's settings, and the script that made the model."""

from pathlib import Path
from typing import Any

MODEL_DIR = Path(__file__).parent / "model"
"""Hugging Face directory of the bundled model: plain `AutoModelForCausalLM` and `AutoTokenizer` load it."""


def demo_settings() -> dict[str, Any]:
    """Settings of `tokengraft demo`, as a configuration file would hold them: sized for two cores and six minutes."""
    return {
        "model": str(MODEL_DIR),
        "corpus": {"path": "demo:domain"},
        "general": {"path": "demo:general"},
        "replay": {"path": "demo:replay"},
        "title": "The bundled model learns to read transformers and torch",
        "out": "tokengraft-demo",
        "tokens": {"size": 800, "scorer": "domain-share", "reference": {"path": "demo:replay"}},
        "init": {"head": "first-subtoken-calibrated"},
        "distill": {
            "steps": 300,
            "tokens_per_step": 2048,
            "max_length": 128,
            "replay_share": 0.6,
            # The domain is far from what the base has read: twice the default's share of the text itself.
            "objective": "0.5*kl + 0.5*hidden-mse + 0.2*ce",
            "head_objective": "0.5*ce + 0.5*chain-rule",
            "refit_positions": 240_000,
        },
        "evaluation": {"memory": True, "max_bytes": 100_000, "fertility_bytes": 2_000_000},
    }


__all__ = ["MODEL_DIR", "demo_settings"]

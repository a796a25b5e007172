"""What a token saves."""

from tokengraft.tokenizer.scorers import Exposure, scorers


@scorers.register("saved", paper="leaves pruned as in Purason et al. 2025, https://arxiv.org/abs/2512.03989")
def saved(exposure: Exposure) -> float:
    """Tokens that the corpus would take more without it: its occurrences in the corpus encoded with all new tokens."""
    return float(exposure.uses)

"""What a token saves."""

from tokengraft.tokenizer.scorers import Exposure, scorers


@scorers.register("saved", paper="leaves pruned as in Purason et al. 2025, https://arxiv.org/abs/2512.03989")
def saved(exposure: Exposure) -> float:
    """Tokens that the corpus, encoded with all new tokens, would take more without it.

    One for each occurrence of what a rule makes of two; more for what stands for several tokens at once.
    """
    return float(exposure.saved)

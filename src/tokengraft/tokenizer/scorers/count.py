"""How often a pair occurs."""

from tokengraft.tokenizer.scorers import Exposure, scorers


@scorers.register("count", paper="Sennrich et al. 2016, https://arxiv.org/abs/1508.07909")
def count(exposure: Exposure) -> float:
    """How often the token's pair stood side by side when it was chosen: what BPE itself goes by."""
    return float(exposure.count)

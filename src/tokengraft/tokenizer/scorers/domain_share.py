"""How much of a token belongs to the domain."""

from tokengraft.errors import ConfigError
from tokengraft.tokenizer.scorers import Exposure, scorers


@scorers.register("domain-share")
def domain_share(exposure: Exposure) -> float:
    """Its rate in the domain over the sum of its rates in domain and reference corpus: 1 for what only the domain has.

    >>> domain_share(Exposure(count=9, uses=6, saved=6, tokens=100, reference_uses=2, reference_tokens=100))
    0.75
    """
    if not exposure.reference_tokens:
        raise ConfigError(
            found="scorer 'domain-share' without a reference corpus",
            expected="text outside the domain",
            do="set tokens.reference (--reference), or choose another scorer",
        )
    domain = exposure.uses / exposure.tokens if exposure.tokens else 0.0
    reference = exposure.reference_uses / exposure.reference_tokens
    return domain / (domain + reference) if domain + reference else 0.0

"""What a text is read behind when it is scored."""

from tokengraft.tokenizer import TokenizerFile


def context_ids(tokenizer: TokenizerFile) -> list[int]:
    r"""Ids that stand before a text when it is scored, so that its first token is predicted from something.

    What the tokenizer itself puts there; else BOS, else EOS (models without BOS were trained with EOS between
    documents, and lm-eval does the same); else a line end, because windows are cut after line ends. Base and extended
    tokenizer agree on them, so both are charged for the same bytes.

    >>> from tokenizers import Tokenizer, models
    >>> context_ids(TokenizerFile.load(Tokenizer(models.BPE({"a": 0, "\n": 1}, []))))
    [1]
    """
    own = tokenizer.prefix_ids()
    if own:
        return own
    special = tokenizer.bos_id if tokenizer.bos_id is not None else tokenizer.eos_id
    return [special] if special is not None else tokenizer.encode(["\n"])[0]

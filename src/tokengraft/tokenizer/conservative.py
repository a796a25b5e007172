"""A conservative extension of a BPE document: nothing old moves, every new rule stands after all old ones.

Why text comes out the same. The base encoder stops when no old rule applies. A new rule makes only a new token and
brings no two old tokens together, so no old rule can apply again; hence every new token has one fixed decomposition
D(t) and

    flatmap(D, encode_extended(x)) == encode_base(x)        for every text x.

Why ids stay. The tokenizers library numbers added tokens that stand outside `model.vocab` anew at each reload, after
the highest id of the model: a longer vocabulary would move them. They are copied into `model.vocab`, which pins them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tokengraft.tokenizer.merging import Merge

PORTABLE_CLASS = "PreTrainedTokenizerFast"
"""Loads `tokenizer.json` as it stands in transformers 4 and 5. Other classes rebuild parts of the pipeline, and
`TokenizersBackend`, which transformers 5 writes, is unknown to 4."""

_OF_THE_OLD_CLASS = ("auto_map", "backend", "tokenizer_file", "vocab_file", "merges_file")


def extended_document(document: Mapping[str, Any], merges: Sequence[Merge], size: int) -> dict[str, Any]:
    """The document with the merges and their tokens after the old ones; `size` is the base's highest id + 1.

    What has pieces of its own is an entry without a rule.
    """
    model = document["model"]
    vocabulary = pinned_vocabulary(document, size)
    spellings = {number: token for token, number in vocabulary.items()}
    spellings |= {merge.id: merge.token for merge in merges}
    assert [merge.id for merge in merges] == list(range(size, size + len(merges))), "new ids follow the old ones"
    assert len(spellings) == len(vocabulary) + len(merges), "every new token is new"
    rules = [(spellings[merge.left], spellings[merge.right]) for merge in merges if not merge.pieces]
    old = model["merges"]
    written = [" ".join(rule) for rule in rules] if old and isinstance(old[0], str) else [list(rule) for rule in rules]
    vocabulary |= {merge.token: merge.id for merge in merges}
    return {**document, "model": {**model, "vocab": vocabulary, "merges": [*old, *written]}}


def pinned_vocabulary(document: Mapping[str, Any], size: int) -> dict[str, int]:
    """`model.vocab` with every added token in it and no id below `size` left free.

    A free id would be given away again: the library counts entries to number the next added token. It gets an entry
    that no text encodes as.

    >>> document = {"model": {"vocab": {"a": 0}}, "added_tokens": [{"content": "<s>", "id": 2}]}
    >>> pinned_vocabulary(document, 3)
    {'a': 0, '<s>': 2, '<|unused 1|>': 1}
    """
    vocabulary = dict(document["model"]["vocab"])
    for token in document.get("added_tokens") or ():
        vocabulary.setdefault(token["content"], token["id"])
    free = sorted(set(range(size)) - set(vocabulary.values()))
    return vocabulary | {f"<|unused {number}|>": number for number in free}


def portable_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """`tokenizer_config.json` under which `AutoTokenizer` loads the document itself, in transformers 4 and 5.

    >>> portable_config({"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|end|>"})
    {'eos_token': '<|end|>', 'tokenizer_class': 'PreTrainedTokenizerFast'}
    """
    kept = {name: value for name, value in config.items() if name not in (*_OF_THE_OLD_CLASS, "tokenizer_class")}
    return {**kept, "tokenizer_class": PORTABLE_CLASS}

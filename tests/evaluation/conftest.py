"""A real small extension, and models grown by it."""

import copy

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from tokengraft.init import initialise
from tokengraft.model import find_tables, grow
from tokengraft.tokenizer import TokenizerFile, extend_tokenizer

BASE = 300
WORDS = r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+"


def train_base(texts, size=BASE, prefix=True):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    if prefix:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|end|> $A", pair="<|end|> $A $B", special_tokens=[("<|end|>", 0)]
        )
    return TokenizerFile.load(tokenizer)


@pytest.fixture(scope="session")
def extension(english, code):
    """A base of 300 ids, most of them bytes, and 30 new tokens for `code`."""
    extended = extend_tokenizer(train_base(english), code, size=30, processes=1)
    assert (extended.base_size, extended.size) == (BASE, BASE + 30)
    return extended


@pytest.fixture
def base_model(any_model):
    """A model of 320 rows: 20 of them are padding for a base of 300 ids."""
    assert find_tables(any_model).rows == 320
    return any_model


@pytest.fixture
def grown(base_model, extension):
    """The same model grown and initialised, its new rows moved a little, so that no two logits tie."""
    model = copy.deepcopy(base_model)
    initialise(grow(model, extension), extension)
    torch.manual_seed(5)
    tables = find_tables(model)
    with torch.no_grad():
        for table in {id(part): part for part in (tables.input_weight, tables.head_weight)}.values():
            table[BASE : BASE + 30] += torch.randn(30, table.shape[1]) * 0.05
    return model


@pytest.fixture(scope="session")
def heldout(code, english):
    """Text with many new tokens."""
    return [*code[:2], english[0]]

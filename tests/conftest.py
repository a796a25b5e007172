"""What every test may use: the folder of real data where it stands, and small texts and tokenizers made on the fly."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

# No test asserts a time, and Hypothesis' deadline of 200 ms would be one.
settings.register_profile("same-examples", deadline=None, derandomize=True)
settings.register_profile("new-examples", deadline=None, max_examples=500)
# The same commit gives the same verdict each time it is checked; HYPOTHESIS_PROFILE=new-examples goes looking for more.
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same-examples"))

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

GPT2_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


@pytest.fixture(scope="session")
def shared_data():
    """Folder of tokenizers, models and corpora made by others; tests that ask for it are skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no folder {DATA}: real tokenizers and corpora are not here")
    return DATA


def in_this_process(*arguments):
    """What a finished process has, of one command of the program run in this one.

    A fresh process takes four CPU seconds before it does anything: it is for what only a fresh one shows.
    """
    from tokengraft.cli import main

    output, errors, code = io.StringIO(), io.StringIO(), 0
    with _threads_as_before(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            main([*map(str, arguments)])
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())


@contextlib.contextmanager
def _threads_as_before():
    """`--threads` is for a process, and this one has other tests to run."""
    before = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None
    try:
        yield
    finally:
        if before is not None:
            sys.modules["torch"].set_num_threads(before)


@pytest.fixture(scope="session")
def here():
    """Runs one command of the program in this process; gives what a finished process has."""
    return in_this_process


def make_byte_level_bpe(texts, size=400, specials=("<|end|>",)):
    """A small byte-level BPE tokenizer trained on `texts`, its special tokens first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(GPT2_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    return tokenizer


@pytest.fixture(scope="session")
def english():
    """A few hundred short English-like texts, drawn with a fixed seed."""
    import random

    draw = random.Random(0)
    words = (
        "the",
        "cat",
        "dog",
        "sat",
        "on",
        "mat",
        "with",
        "grey",
        "hat",
        "and",
        "then",
        "went",
        "home",
        "to",
        "eat",
        "rain",
    )
    return [" ".join(draw.choices(words, k=40)).capitalize() + ".\n" for _ in range(200)]


@pytest.fixture(scope="session")
def code():
    """A few hundred short texts of a domain that `english` does not know."""
    import random

    draw = random.Random(1)
    names = ["hidden_states", "attention_mask", "torch.Tensor", "config.hidden_size", "nn.Linear", "query_layer"]
    return [
        "\n".join(f"        self.{draw.choice(names)} = {draw.choice(names)}({i})" for i in range(12))
        for _ in range(200)
    ]


TINY = {
    "llama-untied": {"model_type": "llama", "tie_word_embeddings": False, "num_key_value_heads": 2},
    "qwen2-tied": {"model_type": "qwen2", "tie_word_embeddings": True, "num_key_value_heads": 2},
    "neox-untied": {"model_type": "gpt_neox", "tie_word_embeddings": False},
    "gpt2-tied": {"model_type": "gpt2", "tie_word_embeddings": True},
    "gemma2-tied-capped": {
        "model_type": "gemma2", "tie_word_embeddings": True, "num_key_value_heads": 2, "head_dim": 8,
        "final_logit_softcapping": 5.0, "sliding_window": 64,
    },
    "gptj-bias": {"model_type": "gptj", "tie_word_embeddings": False, "rotary_dim": 4},
}  # fmt: skip


def make_model(name, rows=320, seed=0):
    """A causal LM of two small layers with `rows` rows in its tables, in evaluation mode."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = dict(TINY[name])
    kind = settings.pop("model_type")
    if kind in {"gpt2", "gptj"}:
        shape = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
    else:
        shape = {
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
            "max_position_embeddings": 128,
        }  # fmt: skip
    config = AutoConfig.for_model(
        kind, vocab_size=rows, bos_token_id=0, eos_token_id=0, pad_token_id=None, **shape, **settings
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            # Initial weights of 0.02 make every logit nearly alike; real models are not like that.
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval().requires_grad_(requires_grad=False)


@pytest.fixture(params=sorted(TINY))
def any_model(request):
    """Each tiny model in turn, with 320 rows."""
    return make_model(request.param)


class FakeDecomposition:
    """D as a plain dictionary: what training needs of an extension, without the tokenizer room."""

    def __init__(self, base_size, pieces):
        import numpy as np

        self.base_size, self.pieces = base_size, [tuple(p) for p in pieces]
        self.lengths = np.array([1] * base_size + [len(p) for p in self.pieces])

    def flatten(self, ids):
        import numpy as np

        return np.array(
            [q for i in ids for q in (self.pieces[i - self.base_size] if i >= self.base_size else (i,))], dtype=np.int64
        )


class FakeTokenizer:
    """Bytes of an id are its number of letters; a text begins with id 0."""

    def token_bytes(self, token):
        return b"x" * (1 + token % 5)

    def prefix_ids(self):
        return [0]


class FakeExtension:
    """New ids 300… with two to four pieces each; `encode` takes rows of ids for texts."""

    def __init__(self, count=30, base_size=300, seed=0):
        import random
        from types import SimpleNamespace

        draw = random.Random(seed)
        pieces = [tuple(draw.randrange(1, base_size) for _ in range(draw.choice((2, 2, 3, 4)))) for _ in range(count)]
        self.base, self.base_size, self.size = FakeTokenizer(), base_size, base_size + count
        self.decomposition = FakeDecomposition(base_size, pieces)
        self.new_tokens = [
            SimpleNamespace(id=base_size + i, pieces=p, bytes=b"".join(self.base.token_bytes(q) for q in p))
            for i, p in enumerate(pieces)
        ]

    def encode(self, texts):
        return [list(text) for text in texts]

    def texts(self, count=40, length=40, seed=0):
        """Rows of extended ids of which about one in five is new."""
        import random

        draw = random.Random(seed)
        return [
            [draw.randrange(self.base_size, self.size) if draw.random() < 0.2 else draw.randrange(1, self.base_size)
             for _ in range(draw.randrange(5, length))]
            for _ in range(count)
        ]  # fmt: skip


@pytest.fixture
def extension():
    """A stand-in for an extended tokenizer of 300 + 30 ids."""
    return FakeExtension()

"""Small tokenizers of every byte-level make, and of the families that are refused, trained on the fly."""

import json

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tokengraft.tokenizer import TokenizerFile

LLAMA3 = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+|\s+(?!\S)|\s+",
    ]
)

UNKNOWN = "<unk>"


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def plain_bytes():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


PIPELINES = {
    "gpt2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    "gpt2-prefix": lambda: pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True),
    "llama3": lambda: pre_tokenizers.Sequence([split(LLAMA3), plain_bytes()]),
    "qwen2": lambda: pre_tokenizers.Sequence([split(LLAMA3), plain_bytes()]),
    "deepseek": lambda: pre_tokenizers.Sequence(
        [
            split(r"[\r\n]"),
            split(r"\s?\p{L}+"),
            split(r"\s?\p{P}+"),
            split(r"[一-龥ࠀ-一가-퟿]+"),
            pre_tokenizers.Digits(individual_digits=True),
            plain_bytes(),
        ]
    ),
}


SENTENCEPIECE = {
    "sentencepiece": {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
    },
    "metaspace": {
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
    },
}
"""The two pipelines of Llama-2 and Mistral: older files normalise, newer ones pre-tokenize."""


def make_sentencepiece(kind, texts, size=120):
    """A BPE tokenizer with byte fallback: bytes first, then what merges make, digits alone, no pattern that splits."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Digits(individual_digits=True)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=list("▁0123456789=_.(),abcdefghijklmnopqrstuvwxyz"), show_progress=False
    )
    trained.train_from_iterator([text.strip() for text in texts], trainer=trainer)
    model = json.loads(trained.to_str())["model"]
    entries = [UNKNOWN, "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *model["vocab"]]
    model |= {"vocab": {entry: number for number, entry in enumerate(entries)}, "unk_token": UNKNOWN}
    decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = decoder
    document = {**json.loads(tokenizer.to_str()), **SENTENCEPIECE[kind]}
    document["model"] = {**model, "byte_fallback": True, "fuse_unk": True}
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.add_special_tokens([UNKNOWN, "<s>", "</s>"])
    tokenizer.add_tokens(["<tool>"])
    begin = ("<s>", 1)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[begin])
    return tokenizer


def make_unigram(texts, size=100):
    """A Unigram tokenizer as T5's: words at whitespace, a space before each; an added token stands outside its list."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size,
        special_tokens=["<pad>", "</s>", UNKNOWN],
        unk_token=UNKNOWN,
        initial_alphabet=list("▁0123456789=_.(),TLabcdefghijklmnopqrstuvwxyz"),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    end = ("</s>", 1)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[end])
    return tokenizer


def make(kind, texts, size=420):
    """A tokenizer of this make; its special tokens stand outside `model.vocab`, as those of Llama-3 and Qwen do."""
    if kind in SENTENCEPIECE:
        return make_sentencepiece(kind, texts)
    if kind in OTHERS:
        return OTHERS[kind](texts)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = PIPELINES[kind]()
    tokenizer.decoder = decoders.ByteLevel()
    if kind == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    tokenizer.add_special_tokens(["<|begin|>", "<|end|>"])
    tokenizer.add_tokens(["<tool>"])
    if kind == "llama3":
        begin = ("<|begin|>", tokenizer.token_to_id("<|begin|>"))
        tokenizer.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[begin])
        document = json.loads(tokenizer.to_str())
        document["model"]["ignore_merges"] = True
        tokenizer = Tokenizer.from_str(json.dumps(document))
    return tokenizer


def make_wordpiece(texts, size=120):
    """A WordPiece tokenizer as BERT's."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
        initial_alphabet=list("0123456789=_.(),abcdefghijklmnopqrstuvwxyz"),
        show_progress=False,
    )
    # Every letter comes inside a word too, as in BERT's vocabulary.
    tokenizer.train_from_iterator([*texts, "aabcdefghijklmnopqrstuvwxyz 00123456789"], trainer=trainer)
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    around = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=around)
    return tokenizer


OTHERS = {"unigram": make_unigram, "wordpiece": make_wordpiece}


@pytest.fixture(scope="session")
def make_tokenizer(english):
    """From a make to a tokenizer trained on English-like text."""
    return lambda kind, **settings: make(kind, english, **settings)


@pytest.fixture(scope="session", params=sorted(PIPELINES))
def base(request, make_tokenizer):
    """One tokenizer of each byte-level make."""
    return TokenizerFile.load(make_tokenizer(request.param))


@pytest.fixture(scope="session")
def plain(make_tokenizer):
    """One byte-level tokenizer, where the make does not matter."""
    return TokenizerFile.load(make_tokenizer("llama3"))


@pytest.fixture
def write_folder(tmp_path):
    """Writes a tokenizer folder from a document and a configuration, and gives its path."""

    def write(document, config=None, **files):
        (tmp_path / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
        if config is not None:
            (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
        for name, text in files.items():
            (tmp_path / name.replace("__", ".")).write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture(scope="session")
def refused():
    """Tokenizers of the families that cannot be extended, by family."""
    unigram = Tokenizer(models.Unigram([(UNKNOWN, 0.0), ("▁the", -1.0), ("▁", -2.0), ("a", -3.0)], unk_id=0))
    wordpiece = Tokenizer(models.WordPiece({UNKNOWN: 0, "the": 1, "##s": 2}, unk_token=UNKNOWN))
    words = Tokenizer(models.WordLevel({UNKNOWN: 0, "the": 1}, unk_token=UNKNOWN))
    characters = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    bytes_and_unknown = {
        UNKNOWN: 0,
        **{f"<0x{byte:02X}>": byte + 1 for byte in range(256)},
        "▁": 257,
        "t": 258,
        "▁t": 259,
    }
    sentencepiece = Tokenizer(
        models.BPE(bytes_and_unknown, [("▁", "t")], unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True)
    )
    return {
        "Unigram": unigram,
        "WordPiece": wordpiece,
        "WordLevel": words,
        "character BPE": characters,
        "SentencePiece BPE": sentencepiece,
    }

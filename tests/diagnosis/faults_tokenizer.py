"""Faults of tokenizers, templates and generation settings."""

import json
import shlex
from pathlib import Path

from tokenizers import AddedToken

import tokengraft as tg

from .conftest import CHAT, edit
from .setups import Bench, Given, by_hand, fault, run


def as_advised(bench: Bench, given: Given) -> Given:
    """The command in the finding's own text, with MODEL and NEW named; similar words are the user's to choose."""
    [finding] = tg.doctor(given["model"], only=[given["code"]])
    command = finding.fix.partition("tokengraft ")[2].partition("--out NEW")[0]
    words = [part.replace("SIMILAR,WORDS", "cat,dog") for part in shlex.split(command)]
    words = [str(given["model"]) if part == "MODEL" else part for part in words]
    run(*words, "--settle", "no", "--out", str(bench.place / "new"))
    return {**given, "model": bench.place / "new"}


def mended(bench: Bench, given: Given) -> Given:
    return {**given, "model": bench.mended(given)}


def declared(bench, **roles):
    """A folder whose settings name tokens that tokenizer.json does not have."""
    folder = bench.sound()
    edit(folder / "tokenizer_config.json", **roles)
    return {"model": folder, "code": "special-token-splits"}


@fault("special tokens that split", "special-token-splits", {"tokengraft special MODEL": as_advised})
def split(bench):
    return declared(bench, additional_special_tokens=["<|user|>"])


@fault("a role's token that splits", "special-token-splits", {"tokengraft special MODEL": as_advised})
def split_role(bench):
    return declared(bench, unk_token="[UNK]")


def chat(bench, end):
    model, tokenizer = bench.model(), bench.tokenizer()
    tokenizer.chat_template = CHAT.replace("{{ END }}", end)
    return model, tokenizer


@fault(
    "special tokens that the template uses and the tokenizer lacks",
    "template-token-missing",
    {"tokengraft special MODEL": as_advised},
)
def template_lacks(bench):
    return {"model": bench.save("model", *chat(bench, "<|end|>")), "code": "template-token-missing"}


@fault(
    "generation config stops on an id that is never emitted",
    "stop-id-never-emitted",
    {
        "set eos_token_id in generation_config.json to the tokenizer's eos, 1": by_hand(
            "generation_config.json", eos_token_id=1
        ),
        "--fix": mended,
    },
)
def stops_nowhere(bench):
    folder = bench.sound()
    edit(folder / "generation_config.json", eos_token_id=9999)
    return {"model": folder}


@fault(
    "generation config stops on another id than a turn ends with",
    "stop-id-never-emitted",
    {
        "put 301 into eos_token_id of generation_config.json": by_hand("generation_config.json", eos_token_id=[1, 301]),
        "--fix": mended,
    },
)
def turns_end_otherwise(bench):
    tokenizer = bench.tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|eot|>"]})
    tokenizer.chat_template = CHAT.replace("{{ END }}", "<|eot|>")
    model = bench.model("llama-untied")
    model.resize_token_embeddings(len(tokenizer))
    return {"model": bench.save("model", model, tokenizer)}


def by_the_plain_class(bench: Bench, given: Given) -> Given:
    """Loaded and saved so; where a model's type decides, only this class takes the file as it is."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    loaded = PreTrainedTokenizerFast.from_pretrained(given["model"])
    file = Tokenizer.from_file(str(Path(given["model"]) / "tokenizer.json"))
    assert loaded(bench.texts)["input_ids"] == [list(one.ids) for one in file.encode_batch(bench.texts)]
    return {**given, "tokenizer": loaded}


def over_spaces(bench, family):
    """A tokenizer whose tokens go over spaces, in a folder that names a class with a pre-tokenizer of its own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    alphabet, specials = pre_tokenizers.ByteLevel.alphabet(), ["<|begin|>", "<|end|>", "<|pad|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(bench.texts, trainer)
    roles = dict(zip(("bos_token", "eos_token", "pad_token"), specials, strict=True))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, padding_side="left", **roles)
    folder = bench.save("model", bench.model(family, tokenizer), tokenizer)
    edit(folder / "tokenizer_config.json", tokenizer_class="Qwen2Tokenizer")
    return {"model": folder}


@fault(
    "tokenizer class that swaps the pre-tokenizer at reload",
    "reload-changes-tokenizer",
    {
        "set tokenizer_class in tokenizer_config.json to PreTrainedTokenizerFast": by_hand(
            "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast"
        ),
        "--fix": mended,
    },
)
def swapped(bench):
    return over_spaces(bench, "llama-untied")


@fault(
    "tokenizer class, by the model's type, that swaps the pre-tokenizer",
    "reload-changes-tokenizer",
    {"load it with PreTrainedTokenizerFast.from_pretrained": by_the_plain_class},
)
def swapped_by_type(bench):
    return over_spaces(bench, "qwen2-tied")


def class_by_hand(_bench: Bench, given: Given) -> Given:
    file = Path(given["model"]) / "tokenizer_config.json"
    listed = json.loads(file.read_text())["extra_special_tokens"]
    edit(file, tokenizer_class="PreTrainedTokenizerFast", extra_special_tokens=None, additional_special_tokens=listed)
    return given


@fault(
    "tokenizer class that transformers 4 cannot load",
    "tokenizer-class-transformers-4",
    {"set tokenizer_class to PreTrainedTokenizerFast": class_by_hand, "--fix": mended},
)
def class_of_five(bench):
    folder = bench.sound()
    edit(folder / "tokenizer_config.json", tokenizer_class="TokenizersBackend", extra_special_tokens=["<|end|>"])
    return {"model": folder}


def whole_by_word(bench: Bench, _given: Given) -> Given:
    base = bench.save("base", bench.model("llama-untied", bench.tokenizer(size=480)), bench.tokenizer(size=480))
    return {"model": bench.special(base, "--word", "ten")}


def single_word(bench: Bench, _given: Given) -> Given:
    return with_word(bench, AddedToken("ten", single_word=True))


def with_word(bench, token):
    bench.texts = [*bench.texts, "kitten kittens mittens"] * 2
    tokenizer = bench.tokenizer(size=480)
    tokenizer.add_tokens([token])
    return {"model": bench.save("model", bench.model("llama-untied", tokenizer), tokenizer)}


@fault(
    "added tokens that fire inside words or make text longer",
    "added-tokens-inside-words",
    {"tokengraft special BASE --word": whole_by_word, "single_word=True": single_word},
)
def inside_words(bench):
    return with_word(bench, "ten")


def by_merges(bench: Bench, given: Given) -> Given:
    """As `tokengraft extend` does it, with rows for the tokens."""
    from transformers import AutoModelForCausalLM

    (bench.place / "corpus.txt").write_text(" zebra" * 300)
    extended = tg.extend_tokenizer(given["base"], str(bench.place / "corpus.txt"), size=4)
    model = tg.grow(AutoModelForCausalLM.from_pretrained(given["base"]), extended)
    tg.initialise(model, extended)
    model.save_pretrained(bench.place / "extended")
    extended.save(bench.place / "extended")
    return {**given, "model": bench.place / "extended"}


@fault("new tokens that are unreachable", "tokens-unreachable", {"tokengraft extend": by_merges})
def unreachable(bench):
    base = bench.sound()
    folder = bench.save("model", bench.model(more=2))
    file = folder / "tokenizer.json"
    document = json.loads(file.read_text())
    document["model"]["vocab"] |= {"zebra": 300, "Ġzebra": 301}
    file.write_text(json.dumps(document))
    return {"model": folder, "base": base}


@fault("three configurations with different ids", "special-ids-disagree", {"--fix": mended})
def disagree(bench):
    folder = bench.sound()
    edit(folder / "generation_config.json", pad_token_id=9, eos_token_id=[9, 1])
    edit(folder / "config.json", bos_token_id=5)
    return {"model": folder}


def added(bench, name, number, *, in_vocabulary=False):
    """`<|user|>` written into tokenizer.json by hand under an id of one's choice."""
    folder = bench.save(name, bench.model(more=8))
    file = folder / "tokenizer.json"
    document = json.loads(file.read_text())
    document["added_tokens"].append({**document["added_tokens"][0], "content": "<|user|>", "id": number})
    if in_vocabulary:
        document["model"]["vocab"]["<|user|>"] = number
    file.write_text(json.dumps(document))
    return folder


@fault(
    "ids that move at a reload",
    "special-ids-move",
    {
        "write each added token into model.vocab under its id, and leave no gaps": lambda b, _g: {
            "model": added(b, "new", 300, in_vocabulary=True)
        }
    },
)
def ids_move(bench):
    return {"model": added(bench, "model", 305)}

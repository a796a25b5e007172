"""Faults of tables, ties and settings."""

from safetensors.torch import load_file, save_file

from .conftest import edit
from .setups import Bench, Given, by_hand, fault


def table(model, *, head=False):
    return (model.get_output_embeddings() if head else model.get_input_embeddings()).weight.data


def load(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def with_user(bench, *, resize=True, **settings):
    """`<|user|>` added as tutorials say."""
    model, tokenizer = bench.model(), bench.tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|assistant|>"]})
    if resize:
        model.resize_token_embeddings(len(tokenizer), **settings)
    return model, tokenizer


def from_the_base(bench: Bench, _given: Given) -> Given:
    """The tokens added anew, to the model that does not have them yet."""
    flags = ("--token", "<|user|>=cat", "--token", "<|assistant|>=dog")
    return {"model": bench.special(bench.sound(), *flags)}


def from_tokens_like_them(bench: Bench, given: Given) -> Given:
    """Rows of the same id in both tables set to the mean of others'."""
    model, tokenizer = load(given["model"])
    for place, row in enumerate(given["rows"]):
        for head in (False, True):
            table(model, head=head)[row] = table(model, head=head)[[40 + 2 * place, 41 + 2 * place]].mean(0)
    return {"model": bench.save("set", model, tokenizer)}


MEND_ROWS = {"tokengraft special BASE": from_the_base, "weight.data[": from_tokens_like_them}


def resized(bench: Bench, given: Given) -> Given:
    model, tokenizer = load(given["model"])
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return {"model": bench.save("grown", model, tokenizer)}


@fault(
    "ids beyond the table",
    "ids-beyond-table",
    {"tokengraft special BASE": from_the_base, "model.resize_token_embeddings(": resized},
)
def no_resize(bench):
    return {"model": bench.save("model", *with_user(bench, resize=False))}


def a_row(bench, change):
    """A set-up in which two rows of both tables were changed by hand."""
    model, tokenizer = with_user(bench)
    rows = [len(tokenizer) - 2, len(tokenizer) - 1]
    for head in (False, True):
        table(model, head=head)[rows] = table(model, head=head)[[40, 50]]
        change(table(model, head=head)[rows[0] :])
    return {"model": bench.save("model", model, tokenizer), "rows": rows}


@fault("rows that are zero", "rows-zero", MEND_ROWS)
def zero(bench):
    return a_row(bench, lambda rows: rows.zero_())


def checkpoint_before(bench: Bench, _given: Given) -> Given:
    return {"model": bench.sound()}


@fault("rows that are NaN", "rows-not-finite", {"go back to the last checkpoint": checkpoint_before})
def nan(bench):
    return a_row(bench, lambda rows: rows.fill_(float("nan")))


@fault("rows that are Inf", "rows-not-finite", {"go back to the last checkpoint": checkpoint_before})
def infinite(bench):
    return a_row(bench, lambda rows: rows[:, 3].fill_(float("inf")))


@fault("rows that are duplicates", "rows-duplicate", MEND_ROWS)
def duplicate(bench):
    return a_row(bench, lambda rows: rows[1].copy_(rows[0]))


def rescaled(bench: Bench, given: Given) -> Given:
    model, tokenizer = load(given["model"])
    for head in (False, True):
        weight = table(model, head=head)
        weight[given["rows"]] *= (weight.norm(dim=1).median() / weight[given["rows"]].norm(dim=1))[:, None]
    return {"model": bench.save("set", model, tokenizer)}


@fault("rows tiny against the table's norms", "rows-out-of-scale", {**MEND_ROWS, "to the median norm": rescaled})
def tiny(bench):
    return a_row(bench, lambda rows: rows.mul_(1e-3))


@fault("rows huge against the table's norms", "rows-out-of-scale", {**MEND_ROWS, "to the median norm": rescaled})
def huge(bench):
    return a_row(bench, lambda rows: rows.mul_(100))


@fault("untrained rows (transformers' mean initialisation, collapsed)", "rows-untrained", MEND_ROWS)
def untrained(bench):
    model, tokenizer = with_user(bench)
    return {"model": bench.save("model", model, tokenizer), "rows": [len(tokenizer) - 2, len(tokenizer) - 1]}


def restored(bench: Bench, given: Given) -> Given:
    model, tokenizer = load(given["model"])
    base, _ = load(given["base"])
    for head in (False, True):
        old = table(base, head=head)
        table(model, head=head)[: len(old)] = old
    return {**given, "model": bench.save("restored", model, tokenizer)}


@fault("old rows that differ from the base's", "old-rows-changed", {"restore them from the base": restored})
def moved(bench):
    base = bench.sound()
    model, tokenizer = with_user(bench)
    table(model)[[5, 6]] += 0.1
    return {"model": bench.save("model", model, tokenizer), "base": base}


def own_size_then_grown(bench: Bench, _given: Given) -> Given:
    return {"model": bench.special(bench.place / "base", "--token", "<|user|>=cat")}


@fault(
    "whole matrix re-initialised by `ignore_mismatched_sizes`",
    "table-reinitialised",
    {"load the checkpoint at its own size, then grow it: tokengraft special": own_size_then_grown},
)
def made_anew(bench):
    from transformers import AutoModelForCausalLM

    tokenizer = bench.tokenizer(size=1000)
    model = bench.model("llama-untied", tokenizer, more=800)
    base = bench.save("base", model, tokenizer)
    anew = AutoModelForCausalLM.from_pretrained(base, vocab_size=1200, ignore_mismatched_sizes=True)
    return {"model": bench.save("model", anew, tokenizer)}


def as_causal(bench: Bench, _given: Given) -> Given:
    return {"model": bench.save("whole", bench.model())}


@fault(
    "head missing and silently random",
    "head-missing",
    {
        "save the model from AutoModelForCausalLM": as_causal,
        "set tie_word_embeddings to true": by_hand("config.json", tie_word_embeddings=True),
    },
)
def no_head(bench):
    model = bench.model()
    folder = bench.save("model", model.model, bench.tokenizer())  # as AutoModel saves it
    assert not [name for name in load_file(folder / "model.safetensors") if "lm_head" in name]
    return {"model": folder}


def tied_again(bench: Bench, given: Given) -> Given:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(given["model"])
    model.tie_weights()
    model.save_pretrained(bench.place / "tied")
    return {"model": bench.place / "tied"}


@fault(
    "tie broken",
    "tie-broken",
    {
        "set tie_word_embeddings to false": by_hand("config.json", tie_word_embeddings=False),
        "model.tie_weights()": tied_again,
    },
)
def broken_tie(bench):
    folder = bench.bare("qwen2-tied")
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"] + 0.1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return {"model": folder}


@fault(
    "tie flag against weights",
    "tie-broken",
    {"set tie_word_embeddings to false": by_hand("config.json", tie_word_embeddings=False)},
)
def flag_against_weights(bench):
    folder = bench.sound()
    edit(folder / "config.json", tie_word_embeddings=True)
    return {"model": folder}


@fault(
    "config.vocab_size against table and tokenizer",
    "vocab-size-mismatch",
    {
        "set vocab_size in config.json to 300": by_hand("config.json", vocab_size=300),
        "--fix": lambda b, g: {"model": b.mended(g)},
    },
)
def size(bench):
    folder = bench.sound()
    edit(folder / "config.json", vocab_size=308)
    return {"model": folder}


def grown_with_quiet_padding(bench: Bench, _given: Given) -> Given:
    base = bench.sound("gptj-bias")
    return {"model": bench.special(base, "--token", "<|user|>=cat", "--pad-to-multiple-of", "64")}


@fault(
    "phantom rows with mass",
    "phantom-rows-mass",
    {"grow with tokengraft special": grown_with_quiet_padding},
)
def phantoms(bench):
    model, tokenizer = bench.model(), bench.tokenizer()
    model.resize_token_embeddings(pad_to_multiple_of=64)
    return {"model": bench.save("model", model, tokenizer)}

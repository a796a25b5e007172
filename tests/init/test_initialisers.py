"""Contract of every registered initialiser, on tables and on models."""

import pytest
import torch

from tokengraft.config import InitConfig
from tokengraft.errors import ConfigError
from tokengraft.init import Donor, Ingredients, InitContext, check_methods, initialise, initialisers
from tokengraft.model import find_tables, grow

TEXTS = 60


class Twin:
    """A donor's tokenizer: the base ids, and each byte string spelled by single letters."""

    tokens = tuple(map(str, range(300)))

    def token_bytes(self, number):
        return f"<{number}>".encode()

    def encode(self, texts):
        return [[len(text) % 300, 1] for text in texts]


def donor(width=24, seed=9):
    draw = torch.Generator().manual_seed(seed)
    return Donor(
        Twin(), {"inputs": torch.randn(300, width, generator=draw), "head": torch.randn(300, width, generator=draw)}
    )


def ingredients(extension, **changes):
    """Every ingredient that any method asks for, small."""
    texts = extension.texts(TEXTS)
    word = extension.new_tokens[0].bytes.decode()
    given = {
        "encode_base": lambda texts: [
            extension.decomposition.flatten(text).tolist() if isinstance(text, list) else [len(text), 7]
            for text in texts
        ],
        "encode": extension.encode,
        "widths": lambda number: 1 if number < 300 else len(extension.new_tokens[number - 300].pieces),
        "corpus": lambda: texts,
        "donor": donor,
        "names": {word: ["one", "three"]},
        "descriptions": {word: "a description"},
        "states": lambda: torch.randn(200, 16, generator=torch.Generator().manual_seed(5)) + 1,
        "fit": lambda rows: rows * 0.5,
        "probe": lambda table: {"inputs": "subtoken-mean", "head": "first-subtoken"}[table],
        "settings": InitConfig(neighbours=6),
    }
    return Ingredients(**given | changes)


def context_for(extension, seed=0, table="inputs", **changes):
    return InitContext(
        Twin().token_bytes, torch.Generator().manual_seed(seed), table, ingredients(extension, **changes)
    )


def make(name, extension, seed=0, table="inputs", **changes):
    old = torch.randn(300, 16, generator=torch.Generator().manual_seed(3))
    return old, initialisers.get(name)(old, extension.new_tokens, context_for(extension, seed, table, **changes))


@pytest.mark.parametrize("table", ["inputs", "head"])
@pytest.mark.parametrize("name", initialisers.names())
def test_contract(name, table, extension):
    old, rows = make(name, extension, table=table)
    kept = old.clone()
    assert rows.shape == (30, 16)
    assert rows.dtype == torch.float32
    assert rows.isfinite().all()
    assert torch.equal(old, kept)
    assert torch.equal(rows, make(name, extension, table=table)[1]), "the same seed gives the same rows"
    assert 0.1 < rows.norm(dim=1).median() / old.norm(dim=1).median() < 2 or name == "mean"
    rows += 1
    assert torch.equal(old, kept), "rows share no memory with the table"


@pytest.mark.parametrize("name", initialisers.names())
def test_contract_on_models(name, extension, any_model):
    """Tied and untied, padded (320 rows for 300 ids), with and without a bias."""
    grow(any_model, extension)
    old = find_tables(any_model).input_weight[:300].clone()
    extension.base = Twin()
    given = ingredients(extension, states=lambda: torch.randn(99, 32, generator=torch.Generator().manual_seed(5)))
    rows = initialise(any_model, extension, inputs=name, head=name, ingredients=given)
    assert rows.inputs.shape == rows.head.shape == (30, 32)
    assert torch.equal(find_tables(any_model).input_weight[:300], old)
    assert torch.equal(find_tables(any_model).input_weight[300:330], rows.inputs)
    assert rows.inputs.isfinite().all()
    assert rows.head.isfinite().all()
    assert rows.bias is None or rows.bias.isfinite().all()


@pytest.mark.parametrize("name", [entry.name for entry in initialisers if entry.needs])
def test_a_missing_ingredient_is_refused_before_anything_is_written(name, extension, any_model):
    grow(any_model, extension)
    before = find_tables(any_model).input_weight.clone()
    with pytest.raises(ConfigError, match=f"init.inputs = {name} without"):
        initialise(any_model, extension, inputs=name)
    assert torch.equal(find_tables(any_model).input_weight, before)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"inputs": "omp"}, "init.inputs = omp without donor"),
        ({"head": "similar"}, "init.head = similar without names"),
        ({"inputs": "description"}, "without descriptions"),
        ({"inputs": "convex-fit"}, "init.inputs = convex-fit without fit"),
        ({"inputs": "means"}, "did you mean 'mean'"),
        ({"candidates": ("focus",)}, "init.candidates with focus"),
        ({"donor": "no/such/folder"}, "no folder"),
        ({"names": "no-such.yaml"}, "no-such.yaml"),
    ],
)
def test_a_run_is_refused_before_work_starts(settings, words):
    with pytest.raises(Exception, match=words):
        check_methods(InitConfig(**settings))


def test_a_run_with_a_corpus_needs_nothing_else_for_most():
    for name in initialisers.names():
        if name not in {"omp", "transfer", "similar", "description"}:
            check_methods(InitConfig(head=name))


def test_files_of_words_are_read_beforehand(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text('" foo": [one, two]\n')
    bad.write_text('" foo": one\n')
    check_methods(InitConfig(inputs="similar", names=str(good)))
    with pytest.raises(ConfigError, match="not a mapping of tokens to names"):
        check_methods(InitConfig(inputs="similar", names=str(bad)))


def test_a_missing_library_is_named(extension, any_model, monkeypatch):
    monkeypatch.setattr("tokengraft.init.ingredients.find_spec", lambda _: None)
    grow(any_model, extension)
    with pytest.raises(ConfigError, match="tokengraft\\[focus\\]"):
        initialise(any_model, extension, inputs="focus", ingredients=ingredients(extension))


@pytest.mark.parametrize("name", ["mean", "random-normal", "subtoken-mean", "last-subtoken"])
def test_calibrated_rows_have_the_median_norm_of_the_table(name, extension, any_model):
    grow(any_model, extension)
    rows = initialise(any_model, extension, inputs=name, head=name, calibrate=True)
    tables = find_tables(any_model)
    for made, table in ((rows.inputs, tables.input_weight), (rows.head, tables.head_weight)):
        median = table[:300].norm(dim=1).median()
        assert torch.allclose(made.norm(dim=1), median.expand(30), rtol=1e-5)


def test_an_unknown_name_is_refused_with_the_names_there_are(extension, any_model):
    grow(any_model, extension)
    with pytest.raises(ConfigError, match="subtoken-mean"):
        initialise(any_model, extension, inputs="subtoken-means")


def test_words_for_a_token_that_was_not_added_are_refused(extension):
    with pytest.raises(ConfigError, match="no new token"):
        make("similar", extension, names={"nobody": ["x"]})

"""Starts that a run makes itself: hidden states, the convex fit, and the trial of the candidates."""

import torch

from tokengraft.config import DistillConfig, InitConfig
from tokengraft.init import initialise
from tokengraft.model import NewRows, find_tables, grow
from tokengraft.phases.starting import choose_methods, gather_ingredients

QUICK = DistillConfig(tokens_per_step=512, max_length=48, refit_positions=2000)


def given(model, extension, **settings):
    grow(model, extension)
    extension.base.encode = lambda texts: [extension.decomposition.flatten(text).tolist() for text in texts]
    return gather_ingredients(
        model, extension, extension.texts(120), extension.texts(30, seed=1), settings=InitConfig(**settings),
        distill=QUICK,
    )  # fmt: skip


def test_every_method_that_a_run_can_feed_starts_a_model(untied, extension):
    ingredients = given(untied, extension)
    for method in ("align", "focus", "first-subtoken-calibrated", "convex-fit"):
        rows = initialise(untied, extension, head=method, ingredients=ingredients)
        assert rows.head.isfinite().all()
    first = find_tables(untied).head_weight[[token.pieces[0] for token in extension.new_tokens]]
    assert not torch.allclose(rows.head, first), "the fit moved the rows it began with"


def test_the_trial_prints_its_table_takes_the_best_and_leaves_the_rows_alone(untied, extension, capsys):
    ingredients = given(
        untied, extension, inputs="auto", head="auto", candidates=("mean", "subtoken-mean"), probe_steps=3
    )
    before = NewRows.read(untied, 300, 330)
    chosen = choose_methods(ingredients, ingredients.settings, tied=False)
    after = NewRows.read(untied, 300, 330)
    assert torch.equal(before.inputs, after.inputs)
    assert torch.equal(before.head, after.head)
    shown = capsys.readouterr().err
    for half in ("inputs", "head"):
        table = shown.partition(f"init.{half} = auto")[2].splitlines()[2:4]
        values = [float(line.split()[2]) for line in table]
        assert values == sorted(values)
        assert table[0].endswith("← taken")
        assert table[0].split()[0] == chosen[half]
    assert choose_methods(ingredients, ingredients.settings, tied=False) == chosen


def test_names_that_are_not_auto_are_taken_as_they_are(untied, extension):
    ingredients = given(untied, extension)
    assert choose_methods(ingredients, InitConfig(), tied=False) == {
        "inputs": "exponential",
        "head": "first-subtoken",
    }

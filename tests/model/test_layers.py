"""Hidden states by layer beside transformers' own, and passes that end early."""

import torch

from tokengraft.model.layers import find_blocks, states_by_layer


def test_states_are_those_of_transformers(any_model):
    ids = torch.arange(12)[None]
    theirs = any_model(ids, output_hidden_states=True).hidden_states
    embedded = any_model.get_input_embeddings()(ids)
    if hasattr(any_model.get_input_embeddings(), "embed_scale"):
        embedded = theirs[0]
    if any_model.config.model_type == "gemma2":
        return  # scales inputs_embeds itself, and `embed` hands over what it expects: see the objectives' tests
    ours = states_by_layer(any_model, embedded, [1, 2])
    assert sorted(ours) == [1, 2]
    for number, states in ours.items():
        assert torch.allclose(states, theirs[number], atol=1e-5), number


def test_no_block_behind_the_last_that_is_asked_for_runs(any_model):
    ran = []
    hooks = [block.register_forward_hook(lambda *_: ran.append(1)) for block in find_blocks(any_model)]
    embedded = any_model.get_input_embeddings()(torch.arange(5)[None])
    found = states_by_layer(any_model, embedded, [1], final=False)
    assert (len(ran), sorted(found)) == (1, [1])
    for hook in hooks:
        hook.remove()

"""Greedy continuations against a loop without cache."""

import pytest
import torch

from tokengraft.evaluation.generation import continue_greedily, continue_together
from tokengraft.model import find_tables

PROMPT = "        self.hidden"


def slow(model, start, count, size, end):
    ids = list(start)
    while len(ids) - len(start) < count and (len(ids) == len(start) or ids[-1] != end):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1, :size].argmax()))
    return ids[len(start) :]


@pytest.mark.parametrize("side", ["base", "extended"])
def test_equals_a_loop_without_cache(grown, extension, side):
    tokenizer = extension.base if side == "base" else extension.file
    found = continue_greedily(grown, tokenizer, PROMPT, max_tokens=12)
    start = [0, *tokenizer.encode([PROMPT])[0]]
    expected = slow(grown, start, 12, tokenizer.size, end=0)
    assert found.ids == [number for number in expected if number != 0]
    assert found.text == tokenizer.decode(found.ids)
    assert found.bytes == sum(len(tokenizer.token_bytes(number)) for number in found.ids)
    assert found.steps == len(expected)
    assert found.stopped == ("end" if 0 in expected else "length")
    assert found.bytes_per_step == found.bytes / found.steps
    assert found.bytes_per_second > 0


def test_stops_where_the_model_ends_the_text(grown, extension):
    first = continue_greedily(grown, extension.file, PROMPT, max_tokens=1).ids[0]
    grown.generation_config.eos_token_id = [0, first]
    found = continue_greedily(grown, extension.file, PROMPT, max_tokens=5)
    assert (found.ids, found.text, found.steps, found.stopped) == ([], "", 1, "end")


def test_rows_that_are_no_token_are_never_written(base_model, extension):
    tables = find_tables(base_model)
    with torch.no_grad():
        tables.head_weight[300:] *= 50
    found = continue_greedily(base_model, extension.base, PROMPT, max_tokens=10)
    assert all(number < 300 for number in found.ids)


def test_a_context_that_is_full_ends_it(grown, extension):
    near = "x y " * 31
    room = 128 - 1 - len(extension.file.encode([near])[0])
    assert 0 < room < 20
    found = continue_greedily(grown, extension.file, near, max_tokens=20)
    assert found.steps <= room
    assert found.stopped in {"context", "end"}
    over = continue_greedily(grown, extension.file, "x y " * 200, max_tokens=20)
    assert (over.ids, over.steps, over.stopped, over.bytes_per_step) == ([], 0, "context", 0.0)


def test_an_empty_prompt_is_one(grown, extension):
    assert continue_greedily(grown, extension.file, "", max_tokens=3).steps > 0


def test_many_prompts_together_are_continued_as_each_alone(base_model, extension, english):
    prompts = [english[0][:20], english[1][:45], english[2][:5], english[3][:31]]
    together = list(continue_together(base_model, extension.base, prompts, max_tokens=6, batch=3))
    for prompt, entry in zip(prompts, together, strict=True):
        alone = continue_greedily(base_model, extension.base, prompt, max_tokens=6)
        assert (entry.prompt, entry.ids, entry.text) == (prompt, alone.ids, alone.text)
        assert (entry.bytes, entry.steps, entry.stopped) == (alone.bytes, alone.steps, alone.stopped)


def test_together_too_a_full_context_ends_it(base_model, extension, english):
    long = "".join(english[:40])
    [entry] = continue_together(base_model, extension.base, [long], max_tokens=4)
    assert (entry.ids, entry.stopped) == ([], "context")
    assert list(continue_together(base_model, extension.base, [], max_tokens=4)) == []

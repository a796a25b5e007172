"""Answers: a batch gives what each prompt alone gives, and nothing of the text is lost on the way."""

import sys
from types import SimpleNamespace

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tokengraft.errors import ConfigError
from tokengraft.evaluation.code_tasks.backends.batched import fingerprint
from tokengraft.evaluation.code_tasks.generation import Request, Sampling, backends, decode, encode, requests_for
from tokengraft.evaluation.code_tasks.problems import Prompt
from tokengraft.evaluation.code_tasks.settings import CodeTasksConfig

CHARACTERS = "\n abcdefghijklmnopqrstuvwxyz():#`"


def make_tokenizer():
    vocabulary = {"<|end|>": 0, **{character: place for place, character in enumerate(CHARACTERS, start=1)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<|end|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", bos_token="<|end|>")


def shared(name):
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    spec = spec_from_file_location("shared_conftest", Path(__file__).resolve().parents[1] / "conftest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def settings(**changes):
    return CodeTasksConfig(tasks=("x",), out="x", **changes)


@pytest.fixture(scope="module", params=["gpt2-tied", "llama-untied"])
def model(request):
    torch.manual_seed(0)
    made = shared("make_model")(request.param, 40).eval()
    made.generation_config.eos_token_id = 0
    return made


PROMPTS = ["a", "def f():\n    ", "abc(def)", "zz\n" * 9, "# x\n    y"]


def backend(model, size=3):
    return backends.get("transformers")(model, make_tokenizer(), settings(batch_size=size))


def answers(maker, sampling, stop=("\nq",), length=12):
    wanted = [(str(place), 0, Prompt(text=text, stop=stop)) for place, text in enumerate(PROMPTS)]
    requests, _ = requests_for(wanted, maker, max_new_tokens=length, seed=5)
    return {one.task_id: one for batch in maker.generate(requests, sampling) for one in batch}


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.0), Sampling(0.7, 0.5)])
def test_a_batch_gives_what_each_alone_gives(model, sampling):
    assert answers(backend(model, 5), sampling) == answers(backend(model, 1), sampling)


def test_greedy_is_what_generate_gives(model):
    tokenizer, found = make_tokenizer(), answers(backend(model), Sampling(), stop=())
    for place, text in enumerate(PROMPTS):
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        output = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12,
                                pad_token_id=0, suppress_tokens=list(range(len(tokenizer), 40)))  # fmt: skip
        whole = output[0, ids.shape[1] :].tolist()
        ended = whole.index(0) if 0 in whole else len(whole)
        assert found[str(place)].text == tokenizer.decode(whole[:ended])


def test_samples_differ_and_repeat(model):
    maker = backend(model)
    wanted = [("t", sample, Prompt(text="abc")) for sample in range(6)]
    requests, _ = requests_for(wanted, maker, max_new_tokens=12, seed=5)
    first, second = ([one for batch in maker.generate(requests, Sampling(1.5)) for one in batch] for _ in range(2))
    assert first == second
    assert len({one.text for one in first}) > 1


class Scripted(torch.nn.Module):
    """Writes a fixed text, whatever it is asked; the position within it is how much it has written."""

    def __init__(self, text, tokenizer):
        super().__init__()
        self.row = torch.nn.Parameter(torch.zeros(3))
        self.ids = [*tokenizer(text)["input_ids"], 0]
        self.config = SimpleNamespace(max_position_embeddings=64, get_text_config=lambda **_: self.config)
        self.generation_config = SimpleNamespace(eos_token_id=0)
        self.device, self.vocabulary = torch.device("cpu"), len(tokenizer)
        self.lengths = []

    def forward(self, input_ids, attention_mask, past_key_values, use_cache):  # noqa: ARG002
        done = 0 if past_key_values is None else past_key_values
        self.lengths.append(attention_mask.sum(1).tolist())
        logits = torch.zeros(*input_ids.shape, self.vocabulary)
        logits[:, :, self.ids[done]] = 1.0
        return SimpleNamespace(logits=logits, past_key_values=done + 1)


@pytest.mark.parametrize(
    ("text", "stop", "expected", "ended"),
    [
        ("return a\n\ndef g", ("\ndef",), "return a\n\ndef", "stop"),
        ("abc", ("\ndef",), "abc", "end"),
        ("", ("\ndef",), "", "end"),
        ("a" * 40, (), "a" * 20, "length"),
    ],
)
def test_how_an_answer_ends(text, stop, expected, ended):
    tokenizer = make_tokenizer()
    maker = backends.get("transformers")(Scripted(text, tokenizer), tokenizer, settings())
    [[answer]] = maker.generate([Request("t", 0, [1, 2], stop, 20, 0)], Sampling())
    assert (answer.text, answer.ended) == (expected, ended)


def test_a_model_that_takes_no_positions_gets_no_padding():
    tokenizer = make_tokenizer()
    model = Scripted("ab", tokenizer)
    maker = backends.get("transformers")(model, tokenizer, settings(batch_size=8))
    requests = [Request(str(place), 0, [1] * length, (), 9, 0) for place, length in enumerate((3, 5, 3))]
    found = [one.text for batch in maker.generate(requests, Sampling()) for one in batch]
    assert found == ["ab"] * 3
    assert all(len(set(lengths)) == 1 for lengths in model.lengths)


def test_a_prompt_without_room_is_answered_by_nothing():
    tokenizer = make_tokenizer()
    maker = backends.get("transformers")(Scripted("ab", tokenizer), tokenizer, settings())
    wanted = [("long", 0, Prompt(text="a" * 64)), ("short", 0, Prompt(text="a" * 62))]
    [request], [hopeless] = requests_for(wanted, maker, max_new_tokens=30, seed=0)
    assert (hopeless.task_id, hopeless.ended, hopeless.prompt_tokens) == ("long", "context", 64)
    assert (request.task_id, request.room) == ("short", 2)


def test_out_of_memory_halves_the_batch(monkeypatch):
    tokenizer = make_tokenizer()
    maker = backends.get("transformers")(Scripted("ab", tokenizer), tokenizer, settings(batch_size=4))
    decode_rows, seen = maker._decode, []

    def tight(batch, sampling):
        seen.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError
        return decode_rows(batch, sampling)

    monkeypatch.setattr(maker, "_decode", tight)
    requests = [Request(str(place), 0, [1], (), 9, 0) for place in range(4)]
    assert len([one for batch in maker.generate(requests, Sampling()) for one in batch]) == 4
    assert seen == [4, 2, 1, 1, 2, 1, 1]


def test_indentation_survives_tokenizers_that_drop_the_first_space():
    """SentencePiece's decoder takes away the space before a text's first token."""
    vocabulary = {"<unk>": 0, "▁": 1, "a": 2, "▁▁▁▁": 3}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")
    assert fast.decode([3, 2]) == "   a"
    assert decode(fast, [2], [3, 2]) == "    a"


def test_a_conversation_needs_a_template():
    tokenizer = make_tokenizer()
    prompt = Prompt(turns=(("system", "be good"), ("user", "hi")), prefill="ok")
    with pytest.raises(ConfigError, match="chat template"):
        encode(tokenizer, prompt)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "({{ m.content }}){% endfor %}{% if add_generation_prompt %}:{% endif %}"
    )
    assert tokenizer.decode(encode(tokenizer, prompt)) == "(be good\n\nhi):ok"


def test_an_empty_prompt_has_a_token():
    assert encode(make_tokenizer(), Prompt()) == [0]


def test_fingerprints_tell_models_apart(model):
    before = fingerprint(model)
    assert before == fingerprint(model)
    with torch.no_grad():
        next(model.parameters())[0, 0] += 1
    try:
        assert fingerprint(model) != before
    finally:
        with torch.no_grad():
            next(model.parameters())[0, 0] -= 1


def test_vllm_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ConfigError, match=r"tokengraft\[vllm\]"):
        backends.get("vllm")("model", None, settings())
    with pytest.raises(ConfigError, match="a path or a hub id"):
        backends.get("vllm")(object(), None, settings())


def test_what_vllm_is_asked(monkeypatch):
    """A stand-in with vLLM's interface; the real one needs a GPU."""
    asked = []

    class Engine:
        def __init__(self, **more):
            asked.append(more)
            self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=99))

        def get_tokenizer(self):
            return make_tokenizer()

        def generate(self, prompts, params, use_tqdm):
            asked.append((prompts, params, use_tqdm))
            ends = [("stop", None), ("stop", "\ndef"), ("length", None)]
            return [SimpleNamespace(outputs=[SimpleNamespace(text="x", token_ids=[1], finish_reason=f, stop_reason=s)])
                    for f, s in ends]  # fmt: skip

    module = SimpleNamespace(LLM=Engine, SamplingParams=lambda **more: more)
    monkeypatch.setitem(sys.modules, "vllm", module)
    maker = backends.get("vllm")("some/model", None, settings(seed=3))
    assert maker.context == 99
    requests = [Request(str(place), 0, [5, 6], ("\ndef",), 7, place) for place in range(3)]
    [found] = maker.generate(requests, Sampling(0.5, 0.9))
    assert [one.ended for one in found] == ["end", "stop", "length"]
    prompts, params, _ = asked[1]
    assert prompts[0] == {"prompt_token_ids": [5, 6]}
    assert params[2] == {"temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "seed": 2, "stop": ["\ndef"],
                         "include_stop_str_in_output": False, "skip_special_tokens": True}  # fmt: skip

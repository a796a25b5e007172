"""Answers alone are learned: the same bytes in both tokenizations, by a format and by a chat template."""

import json

import pytest

from tokengraft.config_phases import InstructionConfig
from tokengraft.corpus.instructions import read_dialogues
from tokengraft.errors import CorpusError, TokenizerError
from tokengraft.phases.answers import Counted, answer_windows
from tokengraft.tokenizer import TokenizerFile, extend_tokenizer

TEMPLATE = (
    "{% for m in messages %}{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('no role ' + m.role) }}"
    "{% endif %}<{{ m.role }}>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>\n{% endif %}"
)


@pytest.fixture(scope="module")
def extension(code, english):
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    spec = spec_from_file_location("shared_conftest", Path(__file__).resolve().parents[1] / "conftest.py")
    shared = module_from_spec(spec)
    spec.loader.exec_module(shared)
    base = TokenizerFile.load(shared.make_byte_level_bpe(english, 350))
    base.config["chat_template"] = TEMPLATE
    return extend_tokenizer(base, code, 60)


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def windows(extension, config, length=400):
    counted = Counted()
    return answer_windows(extension, read_dialogues(config), config, length, counted), counted


def text_of(tokenizer, ids, flags):
    return tokenizer.decode([int(i) for i, flag in zip(ids, flags, strict=True) if flag])


QUESTION = {"prompt": "Where is self.attention_mask?", "answer": "self.nn.Linear = torch.Tensor(3)"}
TALK = {
    "messages": [
        {"role": "user", "content": "self.nn.Linear"}, {"role": "assistant", "content": "torch.Tensor"},
        {"role": "user", "content": "and attention_mask"}, {"role": "assistant", "content": "self.query_layer = 1"},
    ]
}  # fmt: skip


def test_a_format_learns_the_answer_and_its_end(extension, tmp_path):
    path = write(tmp_path / "qa.jsonl", [QUESTION])
    config = InstructionConfig(path, format="### {prompt}\n", end="<|end|>")
    [window], counted = windows(extension, config)
    expected = "self.nn.Linear = torch.Tensor(3)<|end|>"
    assert text_of(extension.file, window.student, window.learned) == expected
    assert text_of(extension.base, window.teacher, window.learned_base) == expected
    assert extension.decode(window.student.tolist()) == "### Where is self.attention_mask?\n" + expected
    assert len(window.student) < len(window.teacher), "there are new tokens in it"
    assert (counted.documents, counted.longer, counted.dropped) == (1, 0, 0)


def test_a_template_learns_every_answer_of_a_conversation(extension, tmp_path):
    [window], _ = windows(extension, InstructionConfig(write(tmp_path / "talk.jsonl", [TALK])))
    expected = "torch.Tensor<|end|>\nself.query_layer = 1<|end|>\n"
    assert text_of(extension.file, window.student, window.learned) == expected
    assert text_of(extension.base, window.teacher, window.learned_base) == expected


def test_what_is_too_long_is_cut_and_counted(extension, tmp_path):
    path = write(tmp_path / "qa.jsonl", [QUESTION, {"prompt": "x " * 300, "answer": "y"}])
    found, counted = windows(extension, InstructionConfig(path, format="{prompt}: "), length=40)
    assert len(found) == 1
    assert all(len(window.teacher) <= 40 for window in found)
    assert (counted.documents, counted.dropped) == (2, 1)
    assert counted.longer >= 1


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"messages": [{"role": "tool", "content": "x"}, {"role": "assistant", "content": "y"}]}, "no role tool"),
        ({"messages": [{"role": "user", "content": "x"}]}, "without a message of the assistant"),
        ({"messages": "x"}, "no list of messages"),
        ({"prompt": "x"}, "no field 'answer'"),
    ],
)
def test_conversations_that_cannot_be_used(extension, tmp_path, record, message):
    with pytest.raises(CorpusError, match=message):
        windows(extension, InstructionConfig(write(tmp_path / "bad.jsonl", [record])))


def test_no_template_and_no_format(extension, tmp_path, monkeypatch):
    monkeypatch.delitem(extension.file.config, "chat_template")
    with pytest.raises(TokenizerError, match="without a chat template"):
        windows(extension, InstructionConfig(write(tmp_path / "qa.jsonl", [QUESTION])))


def test_a_format_needs_a_place_for_the_question(extension, tmp_path):
    with pytest.raises(CorpusError, match=r"add \{prompt\}"):
        windows(extension, InstructionConfig(write(tmp_path / "qa.jsonl", [QUESTION]), format="Answer:"))

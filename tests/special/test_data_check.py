"""What a training set does with the tokens."""

import json

import pytest

from tokengraft.errors import CorpusError, TokenizerError
from tokengraft.special.data_check import check_data
from tokengraft.special.plan import make_plan


@pytest.fixture(scope="module")
def file(base):
    return make_plan(
        base, ["<|user|>", "<|assistant|>", "<|tool|>", "<|pad|>"], ["tokengraft"], chat_template="roles"
    ).file


def verdicts(report):
    return {use.token: use.verdict for use in report.uses}


def test_conversations_are_written_by_the_template(file):
    talk = [{"role": "user", "content": "the cat"}, {"role": "assistant", "content": "sat"}]
    report = check_data(file, [talk] * 5, enough=5)
    assert verdicts(report) == {
        "<|end|>": "fine", "<|user|>": "fine", "<|assistant|>": "fine", "<|tool|>": "never", "<|pad|>": "fine",
    }  # fmt: skip
    assert (report.documents, report.ended) == (5, 5)
    assert [use.count for use in report.uses] == [10, 5, 5, 0, 0]
    assert verdicts(check_data(file, [talk], enough=5))["<|user|>"] == "rare"


def test_tokens_where_the_template_has_none(file):
    wrong = "<|assistant|>\nthe cat<|user|>\nsat<|end|>\n<|pad|>"
    report = check_data(file, [wrong], enough=1)
    assert verdicts(report)["<|assistant|>"] == "misplaced"
    assert verdicts(report)["<|user|>"] == "misplaced"
    assert verdicts(report)["<|pad|>"] == "misplaced"
    assert not report.ended


def test_words_are_counted_as_words(file):
    whole = {form: file.ids[entry] for form, entry in ((" tokengraft", "Ġtokengraft"), ("tokengraft", "tokengraft"))}
    report = check_data(file, ["tokengraft or tokengraft, not tokengrafts"], whole, enough=1)
    # The longer word begins with the token, as words do that merges make.
    assert [(use.count, use.split, use.verdict) for use in report.uses] == [(2, 0, "fine"), (1, 0, "fine")]


def test_tokens_that_come_out_split(base):
    from tokengraft.tokenizer import TokenizerFile

    plain = TokenizerFile.load(base)
    report = check_data(plain, ["<|user|>the cat"], {"<|user|>": 315}, enough=1)
    assert report.uses[0].split == 1
    assert report.uses[0].verdict == "split"


def test_files_of_either_form(file, tmp_path):
    path = tmp_path / "data.jsonl"
    talk = [{"role": "user", "content": "the cat"}, {"role": "assistant", "content": "sat"}]
    path.write_text(json.dumps({"messages": talk}) + "\n\n" + json.dumps({"text": "the mat"}) + "\n")
    report = check_data(file, path)
    assert (report.documents, report.ended) == (2, 1)


@pytest.mark.parametrize(
    ("content", "words"), [("", "no text"), ('{"body": "x"}', "neither"), ("{", "line 1"), ("[1]", "neither")]
)
def test_files_that_hold_nothing(file, tmp_path, content, words):
    (tmp_path / "data.jsonl").write_text(content)
    with pytest.raises(CorpusError, match=words):
        check_data(file, tmp_path / "data.jsonl")


def test_a_missing_file(file, tmp_path):
    with pytest.raises(CorpusError):
        check_data(file, tmp_path / "none.jsonl")


def test_conversations_need_a_template(base):
    with pytest.raises(TokenizerError, match="without a chat template"):
        check_data(base, [[{"role": "user", "content": "x"}]])

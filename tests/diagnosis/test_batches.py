"""Faults in the data: each is made with transformers' own collators where they make it, and found by its code."""

import json

import pytest
import torch
from transformers import DataCollatorForLanguageModeling, DataCollatorForSeq2Seq

import tokengraft as tg
from tokengraft.diagnosis import Severity
from tokengraft.errors import CorpusError, TokenizerError

from .conftest import CHAT, codes, found

ERROR, WARNING, INFO = Severity


@pytest.fixture
def encoded(tokenizer):
    """Texts of unequal length that end in eos."""
    texts = ["the cat sat", "the dog went home to eat with the grey hat", "rain and then"]
    return [{"input_ids": [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]} for text in texts]


@pytest.fixture
def seq2seq(tokenizer, encoded):
    """A sound batch: padding has neither attention nor labels, eos has both."""
    tokenizer.padding_side = "right"
    return dict(DataCollatorForSeq2Seq(tokenizer)([{**row, "labels": list(row["input_ids"])} for row in encoded]))


def test_no_pad_token(model, tokenizer, tmp_path):
    assert not found("pad-missing", model, tokenizer)
    tokenizer.pad_token = None
    assert [finding.severity for finding in found("pad-missing", model, tokenizer)] == [INFO]
    (tmp_path / "train.yaml").write_text("per_device_train_batch_size: 4\n")
    assert [f.severity for f in found("pad-missing", model, tokenizer, training=tmp_path / "train.yaml")] == [WARNING]
    named = {"collator": "DataCollatorWithPadding"}
    assert [f.severity for f in found("pad-missing", model, tokenizer, training=named)] == [ERROR]
    assert [f.severity for f in found("pad-missing", model, tokenizer, training={"packing": True})] == [INFO]


def test_pad_is_eos_with_the_usual_collator(model, tokenizer, encoded):
    tokenizer.padding_side = "right"
    collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
    assert not found("pad-is-eos", model, tokenizer, [collator(encoded)])
    tokenizer.pad_token = tokenizer.eos_token
    [finding] = found("pad-is-eos", model, tokenizer, [dict(collator(encoded))])
    assert (finding.severity, finding.evidence["real_eos"], finding.evidence["masked_eos"]) == (ERROR, 3, 3)
    assert not found("eos-never-taught", model, tokenizer, [dict(collator(encoded))])  # one fault, one code
    [finding] = found("pad-is-eos", model, tokenizer, training={"collator": "DataCollatorForLanguageModeling"})
    assert finding.severity is ERROR


def test_pad_is_eos_is_fine_where_eos_keeps_its_label(model, tokenizer, encoded):
    """Many models are published so: it is worth knowing, and no error."""
    tokenizer.pad_token, tokenizer.padding_side = tokenizer.eos_token, "right"
    assert [finding.severity for finding in found("pad-is-eos", model, tokenizer)] == [INFO]
    batch = dict(DataCollatorForSeq2Seq(tokenizer)([{**row, "labels": list(row["input_ids"])} for row in encoded]))
    assert [finding.severity for finding in found("pad-is-eos", model, tokenizer, [batch])] == [INFO]


@pytest.mark.parametrize("with_mask", [True, False])
def test_labels_on_padding(model, tokenizer, seq2seq, with_mask):
    if not with_mask:
        del seq2seq["attention_mask"]
    assert not found("labels-on-padding", model, tokenizer, [seq2seq])
    wrong = {**seq2seq, "labels": seq2seq["input_ids"].clone()}
    [finding] = found("labels-on-padding", model, tokenizer, [seq2seq, wrong])
    padded = int((seq2seq["input_ids"] == tokenizer.pad_token_id).sum())
    assert (finding.severity, finding.evidence["labelled"], finding.evidence["batch"]) == (ERROR, padded, 1)


def test_batches_without_a_label(model, tokenizer, seq2seq):
    assert not found("labels-all-ignored", model, tokenizer, [seq2seq])
    one = {**seq2seq, "labels": seq2seq["labels"].clone()}
    one["labels"][0] = -100
    assert [f.severity for f in found("labels-all-ignored", model, tokenizer, [one])] == [WARNING]
    empty = {**seq2seq, "labels": torch.full_like(seq2seq["labels"], -100)}
    [finding] = found("labels-all-ignored", model, tokenizer, [seq2seq, empty])
    assert (finding.severity, finding.evidence["batches"]) == (ERROR, [1])
    model.train()
    assert model(**empty).loss.isnan()


def test_a_label_at_the_first_position_alone_does_not_count(model, tokenizer, seq2seq):
    batch = {**seq2seq, "labels": torch.full_like(seq2seq["labels"], -100)}
    batch["labels"][:, 0] = 5
    assert codes(found("labels-all-ignored", model, tokenizer, [batch]), ERROR)


def test_an_end_that_is_never_a_label(model, tokenizer, seq2seq):
    assert not found("eos-never-taught", model, tokenizer, [seq2seq])
    model.generation_config.eos_token_id = 77
    [finding] = found("eos-never-taught", model, tokenizer, [seq2seq])
    assert (finding.severity, finding.evidence["most_common_last"]) == (WARNING, tokenizer.eos_token_id)


def test_two_begins(model, tokenizer):
    once = {"input_ids": torch.tensor([[0, 5, 6]])}
    assert not found("double-bos", model, tokenizer, [once])
    [finding] = found("double-bos", model, tokenizer, [once, {"input_ids": torch.tensor([[0, 0, 5]])}])
    assert (finding.evidence["sequences"], finding.evidence["of"]) == (1, 2)


@pytest.mark.filterwarnings("ignore")
def test_new_tokens_that_the_data_does_not_use(model, tokenizer, folder):
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|assistant|>"]})
    model.resize_token_embeddings(len(tokenizer))
    texts = tokenizer(["<|user|>the cat<|assistant|>", "<|user|>the dog<|assistant|>"], padding=True)["input_ids"]
    assert not found("new-tokens-unused", model, tokenizer, [{"input_ids": texts}], base=folder)
    for named in ({"base": folder}, {"training": {"new_tokens": ["<|user|>", "<|assistant|>"]}}, {}):
        [finding] = found("new-tokens-unused", model, tokenizer, [{"input_ids": [[5, 6]]}], **named)
        assert finding.evidence["ids"] == [len(tokenizer) - 2, len(tokenizer) - 1]
    labels = torch.tensor(texts)
    labels[labels >= len(tokenizer) - 2] = -100
    [finding] = found("new-tokens-unused", model, tokenizer, [{"input_ids": texts, "labels": labels}], base=folder)
    assert "label" in finding.found


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_text_is_collated_as_the_training_says(folder, tokenizer, tmp_path):
    """A file of texts, and the collator by name: the fault that the two make together."""
    from tokengraft.diagnosis import examine, open_case, read_records

    data = write(tmp_path / "data.jsonl", {"text": "the cat sat<|end|>"}, {"text": "the dog went home<|end|>"})
    settings = {"collator": "DataCollatorForLanguageModeling"}

    def found_with(name):
        case = open_case(folder, name, data=read_records(data), training=settings)
        return codes(examine(case).findings, ERROR)

    assert not found_with(None)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(tmp_path / "other")
    assert found_with(tmp_path / "other") == {"pad-is-eos"}


def test_a_collator_that_cannot_pad_is_a_finding_and_no_crash(folder, tokenizer, tmp_path):
    from tokengraft.diagnosis import examine, open_case, read_records

    data = write(tmp_path / "data.jsonl", {"text": "the cat sat<|end|>"}, {"text": "the dog went home<|end|>"})
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path / "other")
    settings = {"collator": "DataCollatorForLanguageModeling"}
    result = examine(open_case(folder, tmp_path / "other", data=read_records(data), training=settings))
    assert codes(result.findings, ERROR) == {"pad-missing"}
    assert "padding token" in result.skipped["batch-ids-beyond-table"]
    assert "padding token" in result.skipped["labels-on-padding"]


def test_messages_and_ids_are_read_too(folder, tokenizer, tmp_path):
    from tokengraft.diagnosis import open_case

    tokenizer.chat_template = CHAT.replace("{{ END }}", "<|end|>")
    tokenizer.save_pretrained(tmp_path / "chat")
    messages = [{"role": "user", "content": "the cat"}]
    case = open_case(folder, tmp_path / "chat", data=[{"messages": messages}, {"input_ids": [5, 6], "labels": [5, 6]}])
    assert case.batches[0].ids[1, :2].tolist() == [5, 6]
    assert tokenizer.eos_token_id in case.batches[0].ids[0]


@pytest.mark.parametrize(
    ("batches", "word"),
    [
        ([], "no batch"), ([5], "int"), ([{"ids": [1]}], "ids"), ([{"input_ids": [[1, 2], [3]]}], "input_ids"),
        ([{"input_ids": [[0.5]]}], "float"), ([{"input_ids": [[1, 2]], "labels": [[1]]}], "labels"),
    ],
)  # fmt: skip
def test_batches_of_another_form_are_refused(model, batches, word):
    with pytest.raises(CorpusError, match=word):
        tg.doctor(model, batches=batches)


@pytest.mark.parametrize(
    ("text", "word"),
    [("", "without a record"), ("[1, 2]\n", "list"), ("{\n", "Expecting"), ('{"body": "x"}\n', "body")],
)
def test_files_of_another_form_are_refused(folder, tmp_path, text, word):
    from tokengraft.diagnosis import examine, open_case, read_records

    (tmp_path / "data.jsonl").write_text(text)
    with pytest.raises(CorpusError, match=word):
        examine(open_case(folder, data=read_records(tmp_path / "data.jsonl")))


def test_text_without_a_tokenizer_is_refused(model):
    with pytest.raises(TokenizerError, match="no tokenizer"):
        tg.doctor(model, batches=[{"text": "the cat"}])

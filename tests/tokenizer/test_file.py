"""Tokenizers from wherever they come, and what is said when they cannot be read."""

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models

from tokengraft.errors import TokenizerError
from tokengraft.tokenizer import TokenizerFile
from tokengraft.tokenizer.spelling import spell, spelling_of, unspell

END = "<|end|>"


@pytest.fixture
def document(plain):
    return copy.deepcopy(plain.document)


def test_every_source_gives_the_same_tokenizer(plain, write_folder):
    folder = write_folder(plain.document, {"bos_token": "<|begin|>"})
    library = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for source in (folder, str(folder), folder / "tokenizer.json", library, plain):
        assert TokenizerFile.load(source).fingerprint == plain.fingerprint


def test_a_loaded_hugging_face_tokenizer_keeps_its_configuration(plain):
    from transformers import PreTrainedTokenizerFast

    loaded = PreTrainedTokenizerFast(tokenizer_object=plain.tokenizer, eos_token=END, chat_template="{{ messages }}")
    file = TokenizerFile.load(loaded)
    assert file.encode(["the cat"]) == plain.encode(["the cat"])
    assert file.eos_id == plain.ids[END]
    assert file.companions["chat_template.jinja"] == "{{ messages }}"


def test_a_hub_id_is_fetched_with_the_files_of_a_tokenizer_only(plain, write_folder, monkeypatch):
    folder = write_folder(plain.document)
    asked = {}

    def download(name, allow_patterns):
        asked.update(name=name, patterns=allow_patterns)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert TokenizerFile.load("someone/some-model").size == plain.size
    assert asked["name"] == "someone/some-model"
    assert not any("safetensors" in pattern for pattern in asked["patterns"])


def test_an_unreachable_hub_is_said(monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def download(name, **_):
        raise LocalEntryNotFoundError(f"cannot find {name} in the cache and outgoing traffic is disabled")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(TokenizerError, match=r"no folder gpt2 here, and the hub does not give it.*outgoing traffic"):
        TokenizerFile.load("gpt2")


@pytest.mark.parametrize("source", ["no/such/place/at/all", "./missing", "/nowhere"])
def test_a_path_to_nothing_is_no_hub_id(source):
    with pytest.raises(TokenizerError, match="nothing at"):
        TokenizerFile.load(source)


def test_a_slow_tokenizer_is_told_how_to_become_fast(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"\0")
    with pytest.raises(TokenizerError, match=r"tokenizer\.model but no tokenizer\.json(.|\n)*save_pretrained"):
        TokenizerFile.load(tmp_path)


def test_custom_code_is_not_run(tmp_path):
    code = {"auto_map": {"AutoTokenizer": ["tokenization_own.OwnTokenizer", None]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(code))
    (tmp_path / "own.tiktoken").write_text("")
    with pytest.raises(TokenizerError, match=r"custom code .*OwnTokenizer.* without tokenizer\.json"):
        TokenizerFile.load(tmp_path)


def test_an_empty_folder_and_a_foreign_object_are_refused(tmp_path):
    with pytest.raises(TokenizerError, match=r"without tokenizer\.json"):
        TokenizerFile.load(tmp_path)
    with pytest.raises(TokenizerError, match="a dict without a fast tokenizer"):
        TokenizerFile.load({})


@pytest.mark.parametrize("text", ["{not json", "[1, 2]", '{"model": {}}', '{"added_tokens": []}'])
def test_a_broken_document_is_refused(tmp_path, text):
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    with pytest.raises(TokenizerError):
        TokenizerFile.load(tmp_path)


def test_a_broken_special_tokens_map_is_refused(plain, write_folder):
    with pytest.raises(TokenizerError, match=r"special_tokens_map\.json"):
        TokenizerFile.load(write_folder(plain.document, special_tokens_map__json="{"))


def test_an_id_that_stands_twice_is_refused(document, write_folder):
    document["model"]["vocab"]["another"] = 5
    with pytest.raises(TokenizerError, match="id 5 to both"):
        TokenizerFile.load(write_folder(document))


def test_a_token_with_two_ids_is_refused(document, write_folder):
    document["model"]["vocab"]["<tool>"] = 1000
    with pytest.raises(TokenizerError, match="'<tool>' both id 1000 and id"):
        TokenizerFile.load(write_folder(document))


@pytest.mark.parametrize("merge", [["the", "nothing like it"], "a b c", ["a"], ["zz", "qq"]])
def test_a_merge_that_contradicts_the_vocabulary_is_refused_by_its_rank(document, write_folder, merge):
    document["model"]["merges"].insert(3, merge)
    with pytest.raises(TokenizerError, match="merge 3"):
        TokenizerFile.load(write_folder(document))


def test_saving_and_loading_changes_nothing(base, tmp_path):
    file = TokenizerFile(base.document, {"bos_token": "<|begin|>"}, {"chat_template.jinja": "{{ x }}"})
    file.save(tmp_path)
    again = TokenizerFile.load(tmp_path)
    assert (again.document, again.config, dict(again.companions)) == (file.document, file.config, file.companions)


def test_special_ids_come_from_the_configuration_or_the_map(plain, write_folder):
    assert plain.bos_id is None
    begin, end = plain.ids["<|begin|>"], plain.ids["<|end|>"]
    folder = write_folder(
        plain.document, {"bos_token": {"content": "<|begin|>"}}, special_tokens_map__json='{"eos_token": "<|end|>"}'
    )
    file = TokenizerFile.load(folder)
    assert (file.bos_id, file.eos_id) == (begin, end)


def test_what_the_post_processor_adds(plain):
    assert plain.prefix_ids() == [plain.ids["<|begin|>"]]
    assert plain.suffix_ids() == []
    assert plain.encode(["the cat"]) == [plain.tokenizer.encode("the cat", add_special_tokens=False).ids]


def test_added_tokens_that_only_the_configuration_declares(plain, write_folder):
    new = {"content": "<late>", "special": True, "normalized": False}
    file = TokenizerFile.load(write_folder(plain.document, {"added_tokens_decoder": {str(plain.size): new}}))
    assert file.size == plain.size + 1
    assert file.encode(["a<late>"])[0][-1] == plain.size
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(file.name)
    assert loaded("a<late> the", add_special_tokens=False).input_ids == file.encode(["a<late> the"])[0]


def test_truncation_and_padding_of_the_file_do_not_reach_encoding(document):
    document["truncation"] = {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0}
    assert len(TokenizerFile(document).encode(["the cat sat on a mat"])[0]) > 1


def test_files_travel_between_processes(plain):
    assert pickle.loads(pickle.dumps(plain)).encode(["the cat"]) == plain.encode(["the cat"])


@given(st.binary(max_size=20))
def test_byte_level_spelling_goes_there_and_back(data):
    assert unspell(spell(data)) == data


def test_token_bytes_add_up_to_the_text(base):
    text = "The grey cat's mät — 日本\n\t"
    (ids,) = base.encode([text])
    assert b"".join(map(base.token_bytes, ids)).lstrip(b" ") == text.encode()


def test_token_bytes_of_added_tokens_are_their_own_text(plain):
    tokenizer = copy.deepcopy(plain.tokenizer)
    tokenizer.add_tokens([AddedToken("ñ")])
    file = TokenizerFile.load(tokenizer)
    assert file.token_bytes(file.ids["ñ"]) == "ñ".encode()
    with pytest.raises(TokenizerError, match=f"id {file.size}"):
        file.token_bytes(file.size)


@pytest.mark.parametrize(
    ("decoder", "entry", "data"),
    [
        ({"type": "ByteLevel"}, "Ġcaf", b" caf"),
        ({"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}, "<0x0A>", b"\n"),
        ({"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}, "▁the", b" the"),
        ({"type": "WordPiece", "prefix": "##"}, "##ing", b"ing"),
        (None, "né", "né".encode()),
    ],
)
def test_every_family_spells_in_its_own_way(decoder, entry, data):
    assert spelling_of({"decoder": decoder})(entry) == data


def test_a_document_that_the_library_cannot_build_is_refused():
    broken = {
        "version": "1.0",
        "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
        "pre_tokenizer": {"type": "No"},
    }
    with pytest.raises(TokenizerError, match="upgrade tokenizers"):
        TokenizerFile(broken).encode(["a"])


def test_ids_that_are_not_in_use_have_no_token():
    file = TokenizerFile.load(Tokenizer(models.BPE({"a": 0, "b": 3}, [])))
    assert file.tokens == ["a", None, None, "b"]
    assert json.dumps(file.document)

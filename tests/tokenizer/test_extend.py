"""Extending a tokenizer: what comes out, for every make, and what is said when nothing can."""

import copy
import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tokengraft.config import CorpusConfig
from tokengraft.corpus import Document
from tokengraft.errors import ConfigError, CorpusError, TokenizerError
from tokengraft.tokenizer import (
    ExtendedTokenizer,
    NewToken,
    Reject,
    TokenizerFile,
    count_corpus,
    extend_tokenizer,
    family_of,
)

SIZE = 40


@pytest.fixture(scope="session")
def extensions(make_tokenizer, code):
    """Each make with new tokens of the code, by make."""
    kinds = ("gpt2", "gpt2-prefix", "llama3", "qwen2", "deepseek", "sentencepiece", "metaspace")
    return {kind: extend_tokenizer(make_tokenizer(kind), code, SIZE, processes=1) for kind in kinds}


@pytest.fixture(scope="session")
def extended(extensions):
    """One extension, where the make does not matter."""
    return extensions["llama3"]


@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from(["self.", "hidden_states", " = ", "torch", "é", "<tool>"])).map("".join)
)
def test_the_equation_holds_for_any_text(extensions, text):
    for extension in extensions.values():
        (base,), (new,) = extension.base.encode([text]), extension.encode([text])
        assert extension.decomposition.flatten(_array(new)).tolist() == base
        assert len(new) <= len(base)
        assert extension.decode(new) == extension.base.decode(base)


def _array(ids):
    import numpy as np

    return np.array(ids, np.int64)


def test_new_ids_follow_the_old_ones_in_the_order_of_merging(extensions):
    for extension in extensions.values():
        assert [token.id for token in extension.new_tokens] == list(range(extension.base_size, extension.size))
        assert extension.file.size == extension.size == extension.base_size + SIZE
        assert [token.count for token in extension.new_tokens] == sorted(
            (token.count for token in extension.new_tokens), reverse=True
        )


def test_the_domain_takes_fewer_tokens(extensions, code):
    for extension in extensions.values():
        before = sum(map(len, extension.base.encode(code)))
        assert sum(map(len, extension.encode(code))) < 0.7 * before


def test_tokens_say_what_they_are_made_of(extensions):
    for extension in extensions.values():
        for token in extension.new_tokens:
            assert b"".join(map(extension.base.token_bytes, token.pieces)) == token.bytes
            assert "".join(token.piece_texts) == token.text
            assert extension.file.ids[token.token] == token.id
            assert extension.file.token_bytes(token.id) == token.bytes


def test_savings_add_up_to_what_reencoding_saves(extensions, code):
    for extension in extensions.values():
        counts = count_corpus(family_of(extension.base), code, processes=1)
        before, after = (family_of(file).words(counts).total for file in (extension.base, extension.file))
        assert sum(token.saved for token in extension.new_tokens) == before - after > 0
        assert extension.ceiling.tokens == before
        assert extension.ceiling.least <= after


def test_old_merges_and_entries_stay_where_they_were(extensions):
    for extension in extensions.values():
        old, new = extension.base.document, extension.file.document
        merges = old["model"]["merges"]
        assert new["model"]["merges"][: len(merges)] == merges
        assert len(new["model"]["merges"]) == len(merges) + SIZE
        assert old["model"]["vocab"].items() <= new["model"]["vocab"].items()
        assert {name: part for name, part in old.items() if name != "model"}.items() <= new.items()


def test_the_base_is_not_touched(plain, code):
    before = copy.deepcopy(plain.document)
    extend_tokenizer(plain, code, 10, processes=1)
    assert plain.document == before


@pytest.mark.parametrize("as_text", [True, False])
def test_merges_are_written_as_the_base_writes_them(plain, code, as_text):
    merges = [" ".join(merge) if as_text else list(merge) for merge in plain.document["model"]["merges"]]
    file = TokenizerFile({**plain.document, "model": {**plain.document["model"], "merges": merges}})
    extension = extend_tokenizer(file, code, 10, processes=1)
    assert {type(merge) for merge in extension.file.document["model"]["merges"]} == {str if as_text else list}


def test_free_ids_are_not_given_away(plain, code):
    document = copy.deepcopy(plain.document)
    document["post_processor"] = None
    for token in document["added_tokens"]:
        token["id"] += 3
        document["model"]["vocab"][token["content"]] = token["id"]
    extension = extend_tokenizer(TokenizerFile(document), code, 10, processes=1)
    assert extension.base_size == plain.size + 3
    assert sorted(extension.file.ids.values()) == list(range(extension.size))


def test_saving_and_loading_gives_the_same_extension(extensions, tmp_path):
    for kind, extension in extensions.items():
        extension.save(tmp_path / kind)
        again = ExtendedTokenizer.load(tmp_path / kind, extension.base)
        assert again == extension


def test_the_library_reads_what_was_saved(extensions, code, tmp_path):
    for kind, extension in extensions.items():
        extension.save(tmp_path / kind)
        library = Tokenizer.from_file(str(tmp_path / kind / "tokenizer.json"))
        texts = [*code[:5], "the cat <|end|> sat<tool>", "é e\u0301"]
        assert [library.encode(text, add_special_tokens=False).ids for text in texts] == extension.encode(texts)
        library.save(str(tmp_path / "again.json"))
        assert TokenizerFile.load(tmp_path / "again.json").ids == extension.file.ids


@pytest.mark.parametrize("model_type", [None, "llama", "qwen2", "gpt2"])
def test_auto_tokenizer_reads_what_was_saved(extensions, code, tmp_path, model_type):
    """Beside a model's configuration transformers may build a class of its own; ids must come out the same."""
    from transformers import AutoTokenizer

    extension = extensions["qwen2" if model_type == "qwen2" else "gpt2" if model_type == "gpt2" else "llama3"]
    extension.save(tmp_path)
    if model_type:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = AutoTokenizer.from_pretrained(tmp_path)
    texts = [*code[:5], "the cat <|end|> sat<tool>"]
    assert loaded(texts, add_special_tokens=False).input_ids == extension.encode(texts)
    assert loaded("cat").input_ids == extension.file.tokenizer.encode("cat").ids
    loaded.save_pretrained(tmp_path / "again")
    assert TokenizerFile.load(tmp_path / "again").encode(texts) == extension.encode(texts)


def test_the_configuration_of_the_base_goes_along(plain, code, tmp_path):
    config = {
        "tokenizer_class": "TokenizersBackend",
        "backend": "tokenizers",
        "model_max_length": 9,
        "eos_token": "<|end|>",
    }
    file = TokenizerFile(plain.document, config, {"chat_template.jinja": "{{ messages }}"})
    extend_tokenizer(file, code, 10, processes=1).save(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert saved == {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 9, "eos_token": "<|end|>"}
    assert (tmp_path / "chat_template.jinja").read_text() == "{{ messages }}"


def test_an_extension_is_loaded_with_its_own_base_only(extended, make_tokenizer, tmp_path):
    extended.save(tmp_path)
    with pytest.raises(TokenizerError, match="not the tokenizer that"):
        ExtendedTokenizer.load(tmp_path, make_tokenizer("gpt2"))
    with pytest.raises(TokenizerError, match=r"without tokengraft\.json"):
        ExtendedTokenizer.load(tmp_path / "elsewhere", extended.base)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"new_tokens": [{}]}'])
def test_a_broken_record_is_refused(extended, tmp_path, text):
    extended.save(tmp_path)
    (tmp_path / "tokengraft.json").write_text(text)
    with pytest.raises(TokenizerError, match="extend anew"):
        ExtendedTokenizer.load(tmp_path, extended.base)


def test_an_extension_that_was_edited_is_refused(extended, tmp_path):
    extended.save(tmp_path)
    document = json.loads((tmp_path / "tokenizer.json").read_text())
    document["model"]["merges"].pop()
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(TokenizerError, match="as they were"):
        ExtendedTokenizer.load(tmp_path, extended.base)


def test_every_form_of_corpus_gives_the_same(extended, code, tmp_path):
    for number, text in enumerate(code):
        (tmp_path / f"{number}.py").write_text(text)
    documents = [Document(str(number), text) for number, text in enumerate(code)]
    corpora = [tmp_path, str(tmp_path), CorpusConfig(path=str(tmp_path)), documents, iter(code)]
    for corpus in corpora:
        again = extend_tokenizer(extended.base, corpus, SIZE, processes=1)
        assert again.new_tokens == extended.new_tokens
        assert again.file.document == extended.file.document


def test_a_document_counts_only_so_often(plain):
    texts = ["spam_spam " * 500, "hidden_states\n", "hidden_states\n", "hidden_states\n"]
    first = extend_tokenizer(plain, texts, 1, max_per_document=1, processes=1).new_tokens[0]
    assert first.bytes in b"hidden_states"


def test_fewer_tokens_than_asked_are_said(plain):
    extension = extend_tokenizer(plain, ["qzx qzx"], 800, processes=1)
    assert extension.shortfall is not None
    assert extension.shortfall.startswith(f"{len(extension.new_tokens)} of 800")
    assert extend_tokenizer(plain, ["qzx qzx"], 1, processes=1).shortfall is None


def test_notes_mark_what_is_needed_on_the_way(make_tokenizer):
    texts = ["日本語の本 日本語" * 2, "\n            x = 1\n            y = 2\n", "longword longword"] * 3
    tokens = extend_tokenizer(make_tokenizer("gpt2"), texts, 80, processes=1).new_tokens
    by_note = {note: [token for token in tokens if note in token.notes] for token in tokens for note in token.notes}
    assert set(by_note) == {"incomplete UTF-8", "whitespace run", "intermediate"}
    assert all(token.bytes.isspace() for token in by_note["whitespace run"])
    assert all("\\x" in token.text for token in by_note["incomplete UTF-8"])


def test_candidates_that_were_left_say_why(plain, code):
    rejects = extend_tokenizer(plain, [*code, "qz qz qz"], 5, min_count=50, processes=1).rejects
    reasons = " ".join(reject.reason for reject in rejects)
    assert "not among the 5 most frequent" in reasons
    assert "fewer than 50" in reasons
    assert len(rejects) <= 150


def test_tokens_and_rejects_survive_json(extended):
    for value, kind in ((extended.new_tokens[0], NewToken), (extended.rejects[0], Reject)):
        assert kind.from_dict(json.loads(json.dumps(value.to_dict()))) == value
    assert "rejected" in extended.rejects[0].to_dict()


@pytest.mark.parametrize("settings", [{"size": 0}, {"size": -5}, {"min_count": 0}, {"method": "continued-bpe2"}])
def test_settings_out_of_range_are_refused_before_any_reading(settings):
    with pytest.raises(ConfigError):
        extend_tokenizer("no/such/tokenizer/anywhere", "no/such/corpus", **settings)


@pytest.mark.parametrize("corpus", [[], [""], ["a"], ["the cat"]])
def test_a_corpus_that_holds_nothing_new_is_refused(plain, corpus):
    with pytest.raises(CorpusError):
        extend_tokenizer(plain, corpus, processes=1)


@pytest.mark.parametrize("corpus", [[b"bytes"], [{"text": "a row"}], ["a lone \ud800"]])
def test_entries_that_are_no_text_are_refused_by_their_number(plain, corpus):
    with pytest.raises(CorpusError, match="entry 1 of the corpus"):
        extend_tokenizer(plain, iter(["fine", *corpus]), processes=1)


def test_a_missing_corpus_is_refused(plain, tmp_path):
    with pytest.raises(CorpusError):
        extend_tokenizer(plain, tmp_path / "nothing")


def test_a_base_without_merges_can_be_extended(code):
    alphabet = {character: number for number, character in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(alphabet, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    assert len(extend_tokenizer(tokenizer, code, 20, processes=1).new_tokens) == 20


def test_the_record_says_what_an_intermediate_token_is_a_step_to(base, tmp_path):
    extension = extend_tokenizer(base, ["zzyzxq zzyzxq zzyzxq wvut wvut"] * 5, 8, processes=1)
    assert extension.steps
    extension.save(tmp_path)
    written = json.loads((tmp_path / "tokengraft.json").read_text())["new_tokens"]
    assert {entry["id"]: entry["step_to"] for entry in written if entry["step_to"] is not None} == extension.steps
    tokens = {token.id: token for token in extension.new_tokens}
    for number, end in extension.steps.items():
        assert tokens[number].intermediate
        assert number in tokens[end].merge

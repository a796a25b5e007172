"""The checks find what is wrong: each promise is broken once, on purpose."""

import copy
import dataclasses

import pytest

from tokengraft.errors import CheckError, ConfigError
from tokengraft.tokenizer import ExtendedTokenizer, TokenizerFile, check_extension, extend_tokenizer, require
from tokengraft.tokenizer.checks import PROMISES, CheckResult
from tokengraft.tokenizer.conservative import pinned_vocabulary
from tokengraft.tokenizer.fuzz import fuzz_texts


@pytest.fixture(scope="module")
def extended(make_tokenizer, code):
    return extend_tokenizer(make_tokenizer("llama3"), code, 30, processes=1)


def failed(extension, texts):
    return {result.name for result in check_extension(extension, texts) if not result.passed}


def with_document(extension, change):
    """The extension with its `tokenizer.json` changed in place by `change`."""
    document = copy.deepcopy(extension.file.document)
    change(document)
    return dataclasses.replace(extension, file=TokenizerFile(document))


def with_token(extension, place, **fields):
    tokens = list(extension.new_tokens)
    tokens[place] = dataclasses.replace(tokens[place], **fields)
    return dataclasses.replace(extension, new_tokens=tuple(tokens))


def test_a_sound_extension_keeps_every_promise(extended, code, english):
    results = check_extension(extended, code, english, seed=1)
    assert all(result.passed for result in results)
    assert "(200 domain, 200 general, 2000 fuzz)" in results[0].detail
    require(results)


def test_results_are_data(extended, code):
    for result in check_extension(extended, code):
        assert set(result.to_dict()) == {"name", "passed", "measured", "detail", "evidence"}
        assert CheckResult.from_dict(result.to_dict()) == result
        assert result.outcome == "passed"


def test_every_promise_has_a_name_that_can_be_allowed(extended, code):
    assert [result.name for result in check_extension(extended, code)] == list(PROMISES)
    assert [result.name for result in extended.checks] == list(PROMISES)


def test_what_fails_can_be_accepted_by_name(extended, code):
    results = check_extension(with_token(extended, 3, pieces=extended.new_tokens[3].pieces[::-1]), code)
    both = ["pieces are the base's encoding", "pieces spell their token"]
    require(results, both)
    with pytest.raises(CheckError, match=both[1]):
        require(results, both[:1])


@pytest.mark.parametrize(
    "call", [lambda: require([], ["no text is long"]), lambda: extend_tokenizer("", "", allow=["x"])]
)
def test_allowing_what_is_no_promise_is_refused(call):
    with pytest.raises(ConfigError, match="'no text is longer'"):
        call()


def test_what_is_measured_is_neither_passed_nor_failed():
    differs = CheckResult("no text is longer", passed=False, detail="3 texts differ", measured=True)
    assert differs.outcome == dataclasses.replace(differs, passed=True).outcome == "measured"
    require([differs])
    assert dataclasses.replace(differs, measured=False).outcome == "failed"
    with pytest.raises(CheckError, match="3 texts differ"):
        require([dataclasses.replace(differs, measured=False)])


def test_wrong_pieces_are_found(extended, code):
    token = extended.new_tokens[3]
    broken = with_token(extended, 3, pieces=token.pieces[::-1])
    assert failed(broken, code) == {"pieces are the base's encoding", "pieces spell their token"}
    with pytest.raises(CheckError, match=r"pieces are the base's encoding: \d+ of 2200 texts fail .* as with"):
        require(check_extension(broken, code))


def test_a_rule_before_the_old_ones_is_found(extended):
    """`hel` is `he l` in the base; a rule for `el` that came first would make it `h el`."""

    def first(document):
        merges = document["model"]["merges"]
        merges.remove(["e", "l"])
        merges.insert(0, ["e", "l"])

    assert "pieces are the base's encoding" in failed(with_document(extended, first), ["hel"])


def test_a_rule_that_makes_an_old_token_is_found(plain, code):
    """An old token without a rule of its own ("qz") must stay out of reach: giving it one changes old text."""
    base = copy.deepcopy(plain.document)
    base["model"]["vocab"] = {**pinned_vocabulary(base, plain.size), "qz": plain.size}
    extension = extend_tokenizer(TokenizerFile(base), code, 5, processes=1)
    broken = with_document(extension, lambda document: document["model"]["merges"].append(["q", "z"]))
    assert failed(extension, ["aqz", *code]) == set()
    assert failed(broken, ["aqz", *code]) == {"pieces are the base's encoding", "text without new tokens is unchanged"}


def test_a_missing_rule_is_found_as_an_unreachable_token(extended, code):
    broken = with_document(extended, lambda document: document["model"]["merges"].pop())
    assert "every new token is reachable" in failed(broken, code)


def test_special_ids_that_move_are_found(extended, code):
    def unpin(document):
        for token in document["added_tokens"]:
            del document["model"]["vocab"][token["content"]]

    assert "old ids stay after reload" in failed(with_document(extended, unpin), code)


def test_added_tokens_that_change_are_found(extended, code):
    def strip(document):
        document["added_tokens"][0]["lstrip"] = True

    assert "added tokens stay" in failed(with_document(extended, strip), code)


def test_another_post_processor_is_found(extended, code):
    broken = with_document(extended, lambda document: document.update(post_processor=None))
    assert failed(broken, code) == {"added tokens stay"}


def test_a_free_id_is_found(extended, code):
    def gap(document):
        document["model"]["vocab"]["<|far|>"] = extended.size + 5

    assert {"no id twice, none free", "a later added token gets a fresh id"} <= failed(
        with_document(extended, gap), code
    )


def test_tokens_that_never_occur_are_found(extended):
    assert "new tokens occur in context" in failed(extended, ["zzz"])
    assert "new tokens occur in context" not in failed(extended, [])


def test_decoding_that_changes_is_found(extended, code):
    broken = with_document(extended, lambda document: document.update(decoder=None))
    assert "decodes as the base does" in failed(broken, code)


def test_fuzz_is_decided_by_its_seed(extended, code):
    first, again, other = (list(fuzz_texts(extended, code, 50, seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 50
    for text in first:
        text.encode("utf-8")


def test_fuzz_needs_no_domain_text(extended):
    bare = ExtendedTokenizer(**{**vars_of(extended), "new_tokens": ()})
    assert len(list(fuzz_texts(bare, [], 20, 0))) == 20


def vars_of(extension):
    return {entry.name: getattr(extension, entry.name) for entry in dataclasses.fields(extension)}

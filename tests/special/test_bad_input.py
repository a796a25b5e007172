"""What is refused, and that nothing has changed then."""

import shutil

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

import tokengraft as tg
from tokengraft.errors import ConfigError, TokengraftError, TokenizerError
from tokengraft.special.request import SpecialToken, requested
from tokengraft.special.vetting import vet
from tokengraft.tokenizer import TokenizerFile

from .conftest import files_of


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("<|end|>", "special token 0 already"),
        ("the", "ordinary token"),
        ("", "an empty token"),
        ("a b", "whitespace"),
        ("\n", "whitespace"),
        ("\u200b\u2060", "invisible"),
        ("\ud800", "surrogate"),
    ],
)
def test_tokens_that_cannot_be_added(base, tmp_path, token, words):
    before = files_of(base)
    with pytest.raises(TokenizerError, match=words):
        tg.add_special_tokens(base, None, {"<|fine|>": None, token: None}, out=tmp_path / "out")
    assert files_of(base) == before
    assert not (tmp_path / "out").exists()


def test_a_token_that_the_normaliser_removes():
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Replace("~", "")
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(TokenizerError, match="leaves nothing"):
        vet(TokenizerFile.load(tokenizer), requested(["~~"]))


def test_a_role_that_is_taken(base, tmp_path):
    with pytest.raises(TokenizerError, match=r"role eos for '<eos>', which '<.end.>' has"):
        tg.add_special_tokens(base, None, ["<eos>"], out=tmp_path / "out")


def test_two_tokens_for_a_role(base):
    with pytest.raises(TokenizerError, match="for the role pad"):
        vet(TokenizerFile.load(base), requested(["<pad>", "[PAD]"]))


def test_pad_may_leave_a_token_that_has_another_role(base):
    file = TokenizerFile.load(base)
    both = file.replaced(file.document, {**file.config, "pad_token": "<|end|>"})
    vet(both, requested(["<pad>"]))


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ("<|a|>", "tokens of type str"),
        ([3], "token 3"),
        (["<|a|>", "<|a|>"], "twice"),
        ({"<|a|>": {"rôle": "pad"}}, "one of role, like"),
        ({"<|a|>": {"role": "sep"}}, "role 'sep'"),
        ({"<|a|>": [3]}, "similar words"),
        ({"<|a|>": {"like": ["b"], "description": "c"}}, "one of the two"),
    ],
)
def test_requests_of_another_form(tokens, words):
    with pytest.raises(ConfigError, match=words):
        requested(tokens)


def test_similar_words_that_cannot_be_spelled():
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    from tokengraft.special.rows import _Maker

    maker = _Maker(TokenizerFile.load(tokenizer), (), (), 0, 0)
    with pytest.raises(TokenizerError, match="cannot spell"):
        maker.groups(SpecialToken("<|x|>", like=("zebra",)))


def test_a_model_without_its_tokenizer(base, tmp_path):
    shutil.copytree(base, tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").unlink()
    with pytest.raises(TokenizerError, match="a model without its tokenizer"):
        tg.add_special_tokens(tmp_path / "model", None, ["<|a|>"], out=tmp_path / "out")
    report = tg.add_special_tokens(tmp_path / "model", base, ["<|a|>"], out=tmp_path / "out")
    assert report.ids == {"<|a|>": 316}


def test_the_tokenizer_of_another_model(base, tmp_path, english):
    from .conftest import of_conftest

    specials = ["<|end|>", *(f"<{number}>" for number in range(90))]
    larger = of_conftest("conftest.py", "make_byte_level_bpe")(english, 460, specials=specials)
    with pytest.raises(TokengraftError, match="a row for every id"):
        tg.add_special_tokens(base, larger, ["<|a|>"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_loaded_model_that_cannot_keep_its_tokens_stays_as_it_was(loaded, monkeypatch):
    model, tokenizer = loaded
    before = {name: weight.clone() for name, weight in model.state_dict().items()}

    def fails(*_):
        raise RuntimeError("no")

    monkeypatch.setattr("tokengraft.special.loaded._require_ids", fails)
    with pytest.raises(RuntimeError):
        tg.add_special_tokens(model, tokenizer, ["<|a|>", "<pad>"])
    assert len(tokenizer) == 316
    assert tokenizer.pad_token is None
    assert model.config.vocab_size == 316
    assert model.config.pad_token_id is None
    assert all(weight.equal(before[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--token", "<|end|>"], "special token 0 already"),
        (["--token", "the"], "ordinary token"),
        (["--word", "the", "--leading-space", "with"], "is token"),
        (["--token", "a b"], "whitespace"),
        (["--token", ""], "an empty token"),
        (["--word", ""], "an empty token"),
        (["--eos", "<|stop|>"], "role eos for '<|stop|>', which '<|end|>' has"),
        (["--tokens", "nowhere.yaml"], "nowhere.yaml"),
        (["--token", "<|a|>", "--chat-template", "chatml"], "<|im_start|>"),
        (["--token", "<|a|>", "--settle", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--token", "<|a|>", "--share", "2"], "share = 2"),
        (["--token", "<|a|>", "--pad-to-multiple-of", "0"], "pad_to_multiple_of = 0"),
        (["--describe", "<|a|>"], "--describe"),
    ],
)
def test_the_command_in_place_changes_nothing(base, tmp_path, capsys, flags, words):
    from tokengraft.cli import main

    shutil.copytree(base, tmp_path / "model")
    with pytest.raises(SystemExit) as end:
        main(["special", str(tmp_path / "model"), *flags, "--in-place"])
    message = capsys.readouterr().err
    assert end.value.code == 1
    assert words in message
    assert [message.count(f"{part}: ") for part in ("found", "expected", "do")] == [1, 1, 1]
    assert files_of(tmp_path / "model") == files_of(base)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("missing", ["tokenizer.json", "model.safetensors", "config.json"])
def test_a_folder_that_lacks_a_file_stays_as_it_is(base, tmp_path, capsys, missing):
    from tokengraft.cli import main

    shutil.copytree(base, tmp_path / "model")
    (tmp_path / "model" / missing).unlink()
    before = files_of(tmp_path / "model")
    with pytest.raises(SystemExit) as end:
        main(["special", str(tmp_path / "model"), "--token", "<|a|>", "--in-place"])
    assert end.value.code == 1
    assert "found: " in capsys.readouterr().err
    assert files_of(tmp_path / "model") == before


def test_a_role_whose_token_does_not_exist_is_free(base):
    """A configuration may name a token that the tokenizer lacks: adding it is what the doctor advises."""
    file = TokenizerFile.load(base)
    vet(file.replaced(file.document, {**file.config, "unk_token": "[UNK]"}), requested(["[UNK]"]))

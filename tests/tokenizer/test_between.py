"""The extension between two tokenizers, with a record and without."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from tokengraft.errors import TokenizerError
from tokengraft.tokenizer import ExtendedTokenizer, TokenizerFile, extend_tokenizer
from tokengraft.tokenizer.between import extension_between, extension_of


def shared():
    """The shared conftest; test modules are no package, so it is loaded by its path."""
    spec = spec_from_file_location("shared", Path(__file__).resolve().parents[1] / "conftest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def extension(english, code):
    return extend_tokenizer(TokenizerFile.load(shared().make_byte_level_bpe(english)), code, size=25, processes=1)


def test_pieces_are_those_that_the_extension_was_made_of(extension):
    found = extension_between(extension.base, extension.file)
    assert (found.base_size, found.size) == (extension.base_size, extension.size)
    assert [token.bytes for token in found.new_tokens] == [token.bytes for token in extension.new_tokens]
    for ours, theirs in zip(found.new_tokens, extension.new_tokens, strict=True):
        assert ours.pieces == theirs.pieces or b"".join(map(extension.base.token_bytes, ours.pieces)) == theirs.bytes


def test_a_record_is_preferred(extension, tmp_path):
    extension.save(tmp_path)
    assert extension_of(tmp_path, extension.base).method == extension.method
    assert isinstance(extension_of(tmp_path, extension.base), ExtendedTokenizer)
    (tmp_path / "tokengraft.json").unlink()
    assert extension_of(tmp_path, extension.base).method == "unknown"


def test_a_tokenizer_extends_itself_by_nothing(extension):
    assert extension_between(extension.base, extension.base).new_tokens == ()


def test_half_a_character_is_spelled_byte_by_byte(english):
    """The first two bytes of `€` as one token: no text, so the base cannot be asked for its pieces."""
    from tokengraft.tokenizer.spelling import BYTE_CHARACTERS

    base = TokenizerFile.load(shared().make_byte_level_bpe(english))
    one, two = (BYTE_CHARACTERS[byte] for byte in "€".encode()[:2])
    document = json.loads(json.dumps(base.document))
    document["model"]["vocab"][one + two] = base.size
    document["model"]["merges"].append([one, two])
    larger = TokenizerFile(document, base.config)
    [token] = extension_between(base, larger).new_tokens
    assert token.bytes == "€".encode()[:2]
    assert token.pieces == (base.ids[one], base.ids[two])


def test_another_tokenizer_is_refused_with_an_example(extension):
    with pytest.raises(TokenizerError, match="lacks or has at another id"):
        extension_between(extension.file, extension.base)

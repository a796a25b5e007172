"""SentencePiece BPE: words that no merge crosses, bytes that none joins, and the `.model` beside the file."""

import copy
import json
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.errors import TokenizerError
from tokengraft.tokenizer import TokenizerFile, ceiling_of_texts, count_corpus, extend_tokenizer, family_of
from tokengraft.tokenizer.candidates import seen_as
from tokengraft.tokenizer.prune import prune_tokenizer
from tokengraft.tokenizer.sentencepiece_model import NORMAL, USER_DEFINED, Piece, next_lower, read_pieces
from tokengraft.tokenizer.tokens import CHARACTER

KINDS = ("sentencepiece", "metaspace")
TEXTS = st.lists(
    st.sampled_from([" ", "  ", "   x", "the cat", "self.", "12", "१२", "\n", "\t", "é", "日本", "<tool>", "</s>", "▁"])
    | st.text(max_size=4)
).map("".join)


@pytest.fixture(scope="module")
def files(make_tokenizer):
    return {kind: TokenizerFile.load(make_tokenizer(kind)) for kind in KINDS}


@pytest.fixture(scope="module")
def extensions(files, code):
    return {kind: extend_tokenizer(file, code, 40, processes=1) for kind, file in files.items()}


def one_by_one(file, text):
    """The text's ids, its words encoded each for itself; added tokens left out."""
    family = family_of(file)
    return [number for word in family.splitter()(text) for number in family.words({word: 1}).ids.tolist()]


@given(TEXTS)
def test_words_encode_alone_as_in_their_text(files, extensions, text):
    for file in (*files.values(), *(extension.file for extension in extensions.values())):
        added = {token["id"] for token in file.added_tokens}
        whole = [number for number in file.encode([text])[0] if number not in added]
        assert one_by_one(file, text) == whole


def test_words_are_cut_where_nothing_merges(files):
    split = family_of(files["sentencepiece"]).splitter()
    assert split("the cat's  12 é\nno") == ["▁the", "▁cat", "'", "s", "▁▁", "1", "2", "▁é", "\n", "no"]
    assert split("日本語१a\t\tb") == ["▁日本語", "१", "a", "\t", "\t", "b"]


def test_the_first_space_is_only_the_texts(files):
    split = family_of(files["metaspace"]).splitter()
    assert split("the</s>cat") == ["▁the", "cat"]
    assert family_of(files["sentencepiece"]).splitter()("the</s>cat") == ["▁the", "▁cat"]


def test_new_tokens_join_no_lone_bytes_digits_or_words(files):
    texts = ["key7 日本 é 42\n\n\n  value7१ 日本 é 42\n\n\n  "] * 20
    for file in files.values():
        tokens = extend_tokenizer(file, texts, 200, processes=1).new_tokens
        assert tokens
        for token in tokens:
            assert re.fullmatch("▁*[^▁0-9<>\n]*", token.token)
            assert "१" not in token.token or len(token.token) == 1


def test_a_character_that_the_base_lacks_gets_one_entry_and_merges_go_on_from_it(files):
    texts = ["日本 é"] * 20
    for file in files.values():
        tokens = {token.token: token for token in extend_tokenizer(file, texts, 200, processes=1).new_tokens}
        for character in "日本é":
            number = [file.vocabulary[f"<0x{byte:02X}>"] for byte in character.encode()]
            assert tokens[character].pieces == tuple(number)
            assert tokens[character].merge is None
            assert CHARACTER in tokens[character].notes
        assert tokens["▁日本"].merge == (tokens["▁日"].id, tokens["本"].id)
        assert len(tokens["▁日本"].pieces) == 7


def test_the_sentencepiece_library_follows_new_characters(files, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece", reason="the extra `sentencepiece` is not installed")
    # A whole model of the library's own, so that nothing of it is made up here.
    texts = ["the cat sat on the mat", "a dog and a cat sat", "no hat on the mat"] * 20
    (tmp_path / "text").write_text("\n".join(texts))
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text"), model_prefix=str(tmp_path / "tokenizer"), model_type="bpe", vocab_size=300,
        byte_fallback=True, character_coverage=1.0, minloglevel=2, normalization_rule_name="identity",
    )  # fmt: skip
    data = (tmp_path / "tokenizer.model").read_bytes()
    tokens = [piece.text for piece in read_pieces(data)]
    known = {token: number for number, token in enumerate(tokens)}
    rules = [
        [token[:cut], token[cut:]]
        for token in tokens[259:]
        for cut in range(1, len(token))
        if token[:cut] in known and token[cut:] in known
    ]
    document = copy.deepcopy(files["sentencepiece"].document)
    document["added_tokens"] = document["added_tokens"][:3]
    document["model"] |= {"vocab": known, "merges": rules}
    file = TokenizerFile(document, {}, {}, {"tokenizer.model": data})
    extension = extend_tokenizer(file, ["日本 é cat 日本é१"] * 20, 40, processes=1)
    assert sum(CHARACTER in token.notes for token in extension.new_tokens) == 4
    library = sentencepiece.SentencePieceProcessor(model_proto=extension.file.binaries["tokenizer.model"])
    for text in ["日本 é cat", "日 本本é本\n日本語", "cat日本é१ १"]:
        assert library.encode(text) == extension.encode([text])[0]
        assert library.decode(extension.encode([text])[0]) == text


def test_merges_over_lone_bytes_are_refused(files):
    file = files["sentencepiece"]
    vocabulary = {**file.document["model"]["vocab"], "<0xE6><0x97>": file.size}
    merges = [*file.document["model"]["merges"], ["<0xE6>", "<0x97>"]]
    with pytest.raises(TokenizerError, match="join lone bytes"):
        family_of(changed(file, model={"vocab": vocabulary, "merges": merges}))


def test_the_ceiling_counts_lone_bytes_one_by_one(files):
    limit = ceiling_of_texts(family_of(files["sentencepiece"]), ["zzz 日\n\n"])
    assert (limit.tokens, limit.least) == (4 + 1 + 3 + 2, 1 + 1 + 2)


def test_counts_are_those_of_the_text(files, code):
    for file in files.values():
        counts = count_corpus(family_of(file), code, max_per_document=10**9, processes=1)
        assert family_of(file).words(counts).total == sum(map(len, file.encode(code)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model_type", [None, "llama", "mistral"])
def test_auto_tokenizer_reads_what_was_saved(extensions, code, tmp_path, kind, model_type):
    from transformers import AutoTokenizer

    extension = extensions[kind]
    extension.save(tmp_path)
    if model_type:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = AutoTokenizer.from_pretrained(tmp_path)
    texts = [*code[:5], "the cat </s> sat<tool>", "  é\n日本"]
    assert loaded(texts, add_special_tokens=False).input_ids == extension.encode(texts)
    old = [extension.base.tokenizer.id_to_token(number) for number in range(extension.base_size)]
    assert loaded.convert_ids_to_tokens(list(range(extension.base_size))) == old
    loaded.save_pretrained(tmp_path / "again")
    assert TokenizerFile.load(tmp_path / "again").encode(texts) == extension.encode(texts)


def changed(file, model=None, **parts):
    document = copy.deepcopy(file.document)
    document["model"] |= model or {}
    return TokenizerFile({**document, **parts})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": {"dropout": 0.1}}, "dropped at random"),
        ({"model": {"end_of_word_suffix": "</w>"}}, "prefix or suffix"),
        ({"decoder": {"type": "ByteFallback"}}, "does not join tokens"),
        (
            {"decoder": {"type": "Sequence", "decoders": [
                {"type": "ByteFallback"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}, {"type": "Fuse"}]}},
            "spaces of each token",
        ),
    ],
)  # fmt: skip
def test_what_would_do_harm_is_refused(files, change, reason):
    with pytest.raises(TokenizerError, match=reason):
        family_of(changed(files["sentencepiece"], **change))


def test_where_merges_run_over_words_lines_are_counted(files, code):
    file = files["sentencepiece"]
    vocabulary = {**file.document["model"]["vocab"], "<tool>": file.size - 1, "e▁": file.size}
    merges = [*file.document["model"]["merges"], ["e", "▁"]]
    crossing = changed(file, model={"vocab": vocabulary, "merges": merges})
    assert family_of(crossing).splitter()("the cat's  12 é\nno") == ["▁the▁cat", "'", "s▁▁12▁é", "\n", "no"]
    for method in ("continued-bpe", "superwords"):
        extension = extend_tokenizer(crossing, code, 40, method, processes=1)
        assert all(check.outcome != "failed" for check in extension.checks)


@pytest.mark.parametrize(
    ("rules", "units"),
    [
        ([["\n", "\n"]], ["▁the▁cat", "\n\n", "▁▁no", "\n"]),  # as Gemma has them
        ([["\n", "\n"], ["\n", "▁"]], ["▁the▁cat\n\n▁▁no\n"]),
    ],
)
def test_superwords_stay_inside_a_line_where_its_end_has_an_entry(files, code, rules, units):
    file = files["sentencepiece"]
    entries = ["<tool>", "\n", *map("".join, rules)]
    vocabulary = {**file.document["model"]["vocab"], **{entry: file.size - 1 + n for n, entry in enumerate(entries)}}
    merges = [*file.document["model"]["merges"], *rules]
    base = changed(file, model={"vocab": vocabulary, "merges": merges})
    family = seen_as("superwords", family_of(base))
    assert family.splitter()("the cat\n\n  no\n") == units
    extension = extend_tokenizer(base, code, 40, "superwords", processes=1)
    assert all(check.outcome != "failed" for check in extension.checks)
    over_ends = [token for token in extension.new_tokens if "\n" in token.token and token.token.strip("\n")]
    assert bool(over_ends) == (len(units) == 1)


def test_missing_bytes_are_refused(files):
    vocabulary = dict(files["sentencepiece"].document["model"]["vocab"])
    vocabulary["<lost>"] = vocabulary.pop("<0x0A>")
    with pytest.raises(TokenizerError, match="1 of the 256 byte tokens"):
        family_of(changed(files["sentencepiece"], model={"vocab": vocabulary}))


def test_an_added_character_that_text_could_become_is_refused(files):
    document = copy.deepcopy(files["sentencepiece"].document)
    document["added_tokens"][-1] |= {"content": "é", "single_word": True}
    with pytest.raises(TokenizerError, match="'é' matches whole words only"):
        family_of(TokenizerFile(document))


# The `.model` beside it


def model_of(file, known=None):
    """A `.model` with the first `known` entries of a tokenizer, scored by their place."""
    tokens = file.tokens[: file.document["model"]["vocab"].__len__() if known is None else known]
    return b"".join(Piece(token, -float(number)).encoded() for number, token in enumerate(tokens))


def with_model(file, data):
    return TokenizerFile(file.document, {}, {}, {"tokenizer.model": data})


def test_the_model_gets_the_same_pieces(files, code, tmp_path):
    file = files["sentencepiece"]
    old = model_of(file)
    extension = extend_tokenizer(with_model(file, old), code, 40, processes=1)
    new = extension.file.binaries["tokenizer.model"]
    assert new.startswith(old)
    pieces = read_pieces(new)
    assert [piece.text for piece in pieces] == extension.file.tokens
    scores = [piece.score for piece in pieces[extension.base_size :]]
    assert scores == sorted(set(scores), reverse=True)
    assert scores[0] < min(piece.score for piece in read_pieces(old))
    assert {piece.kind for piece in pieces[extension.base_size :]} == {NORMAL}
    assert pieces[extension.base_size - 1] == Piece("<tool>", 0.0, USER_DEFINED)
    extension.save(tmp_path)
    assert (tmp_path / "tokenizer.model").read_bytes() == new
    assert TokenizerFile.load(tmp_path).binaries == extension.file.binaries


def test_the_model_of_a_pruned_tokenizer_follows_it(files, code, tmp_path):
    file = files["sentencepiece"]
    trainer = b"\x12\x03\x20\xac\x02"  # field 2, which is left as it is
    old = model_of(file) + trainer
    pruned = prune_tokenizer(with_model(file, old), code, 10, processes=1)
    pruned.save(tmp_path)
    new = (tmp_path / "tokenizer.model").read_bytes()
    assert new.endswith(trainer)
    before, after = read_pieces(old), read_pieces(new)
    assert [piece.text for piece in after] == pruned.file.tokens[: len(after)]
    freed = [entry.id for entry in pruned.replaced]
    assert [piece for place, piece in enumerate(before) if place not in freed] == [
        piece for place, piece in enumerate(after) if place not in freed
    ]
    scores = [after[number].score for number in freed]
    assert scores == sorted(set(scores), reverse=True)
    assert scores[0] < min(piece.score for piece in before)


def test_pieces_of_another_kind_keep_their_ids(files, code):
    file = files["sentencepiece"]
    free = prune_tokenizer(file, code, 10, processes=1).replaced[0]
    kinds = [USER_DEFINED if number == free.id else NORMAL for number in range(file.size)]
    data = b"".join(Piece(token, -float(number), kinds[number]).encoded() for number, token in enumerate(file.tokens))
    pruned = prune_tokenizer(with_model(file, data), code, 10, processes=1)
    assert free.id not in [entry.id for entry in pruned.replaced]


def test_a_model_with_other_ids_is_refused_before_counting(files):
    file = files["sentencepiece"]
    data = Piece("<pad>", 0.0).encoded() + model_of(file)

    def never():
        raise AssertionError("counted")
        yield ""

    with pytest.raises(TokenizerError, match="id 0 is '<pad>'"):
        prune_tokenizer(with_model(file, data), never(), 5, processes=1)


@pytest.mark.parametrize("score", [-1e9, -31740.0, 0.0, -1e-40])
def test_scores_fall_in_float32(score):
    scores = np.array([score, *next_lower(score, 1000)], np.float32)
    assert (np.diff(scores) < 0).all()


@pytest.mark.parametrize("data", [b"\x0a\xff", b"\xff", b"\x0b", b"\x0a\x02\x12\x00", b"\x0a\x03\x0a\x01\xff"])
def test_a_broken_model_is_refused(files, code, data):
    with pytest.raises(TokenizerError, match="a SentencePiece model"):
        extend_tokenizer(with_model(files["sentencepiece"], data), code, 5, processes=1)


def test_a_model_that_numbers_otherwise_is_refused(files, code):
    file = files["sentencepiece"]
    data = Piece("<pad>", 0.0).encoded() + model_of(file)
    with pytest.raises(TokenizerError, match="id 0 is '<pad>'"):
        extend_tokenizer(with_model(file, data), code, 5, processes=1)

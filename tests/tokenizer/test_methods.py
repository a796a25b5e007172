"""Every method by one contract, and what each promises of its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.errors import CheckError, ConfigError, CorpusError
from tokengraft.tokenizer import TokenizerFile, count_corpus, extend_from_counts, extend_tokenizer, family_of, seen_as
from tokengraft.tokenizer.candidates import Demand, methods
from tokengraft.tokenizer.checks import PROMISES
from tokengraft.tokenizer.merging import Composer
from tokengraft.tokenizer.tokens import WHOLE

SIZE = 40
WORDS = ["attention_mask", "hidden", "states", "torch", "Tensor", "query"]


@pytest.fixture(scope="session")
def donor(code):
    """A tokenizer of another make that knows the domain."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(code, trainer)
    return tokenizer


@pytest.fixture(scope="session")
def asked(donor):
    """What every method is asked for."""
    return Demand(SIZE, words=tuple(s + w for w in WORDS for s in (" ", "")), donor=TokenizerFile.load(donor))


KINDS = ("gpt2-prefix", "llama3", "deepseek", "sentencepiece")


@pytest.fixture(scope="session")
def made(make_tokenizer, code, asked):
    """Each conservative method on each proved make."""

    def extended(kind, method):
        family = seen_as(method, family_of(TokenizerFile.load(make_tokenizer(kind))))
        return extend_from_counts(family, count_corpus(family, code, processes=1), asked, method)

    made = {(kind, method): extended(kind, method) for kind in KINDS for method in ("words", "donor")}
    return {**made, ("llama3", "superwords"): extended("llama3", "superwords")}


@pytest.mark.parametrize("entry", list(methods), ids=methods.names())
def test_every_method_keeps_to_its_contract(plain, code, asked, entry):
    family = seen_as(entry.name, family_of(plain))
    counts = count_corpus(family, code, processes=1)
    choice = entry.function(family, counts, asked)
    assert 0 < len(choice.merges) + len(choice.added) <= SIZE
    assert [merge.id for merge in choice.merges] == list(range(plain.size, plain.size + len(choice.merges)))
    assert all(merge.token not in plain.ids for merge in choice.merges)
    assert all(reject.reason for reject in choice.rejects)
    assert entry.function(family, counts, asked) == choice
    assert extend_from_counts(family, counts, asked, entry.name, allow=PROMISES).method == entry.name


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["self.", *WORDS, " = ", "é", "<tool>", " ", "\n", "_"]), max_size=12).map("".join)
)
def test_the_equation_holds_for_every_conservative_method(made, text):
    for extension in made.values():
        (base,), (new,) = extension.base.encode([text]), extension.encode([text])
        assert extension.decomposition.flatten(np.array(new, np.int64)).tolist() == base
        assert extension.decode(new) == extension.base.decode(base)


def test_every_promise_is_written_down_and_holds(made):
    for extension in made.values():
        assert [check.name for check in extension.checks] == list(PROMISES)
        assert {check.outcome for check in extension.checks} <= {"passed", "measured"}


@pytest.mark.parametrize("kind", KINDS)
def test_listed_words_are_one_token(made, kind):
    extension = made[kind, "words"]
    rejects = {reject.text for reject in extension.rejects}
    for word in (" hidden", "hidden", " torch"):
        if word in rejects:
            continue
        ids = extension.encode([f"x{word}"])[0] if word.startswith(" ") else extension.encode([f"({word}"])[0]
        assert extension.file.token_bytes(ids[-1]).decode().endswith(word)


def test_a_word_across_the_split_pattern_says_so_and_can_be_an_added_token(plain):
    settings = {"method": "words", "words": ["hidden_states"], "leading_space": "without", "processes": 1}
    with pytest.raises(CorpusError, match=r"split pattern cuts it \(hidden\|_states\)"):
        extend_tokenizer(plain, ["hidden_states"], **settings)
    with pytest.raises(CheckError, match="pieces are the base's encoding"):
        extend_tokenizer(plain, ["hidden_states" * 3], words_as_added=True, **settings)
    extension = extend_tokenizer(plain, ["hidden_states"], words_as_added=True, allow=PROMISES, **settings)
    assert extension.encode(["hidden_states"]) == [[extension.base_size]]
    assert extension.new_tokens[0].notes[0] == "added token"


def test_faults_of_a_word_list_are_said_and_passed_over(plain):
    words = ["zebra", "", "zebra", "<|end|>", "the", "  "]
    extension = extend_tokenizer(plain, method="words", words=words, leading_space="with", processes=1)
    reasons = [reject.reason for reject in extension.rejects]
    assert extension.new_tokens[-1].text == " zebra"
    assert sum("empty word" in reason for reason in reasons) == 2
    assert sum("in the list already" in reason for reason in reasons) == 1
    assert sum("an added token already" in reason for reason in reasons) == 1
    assert sum("a single token already" in reason for reason in reasons) == 1
    assert extension.shortfall == f"{len(extension.new_tokens)} of 800 tokens: the list of words gives no more"


def test_a_file_of_words_gives_the_same_as_a_list(plain, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("zebra\ngiraffe\n")
    by_file = extend_tokenizer(plain, method="words", words=path, processes=1)
    assert by_file.new_tokens == extend_tokenizer(plain, method="words", words=["zebra", "giraffe"]).new_tokens
    with pytest.raises(ConfigError, match="one word a line"):
        extend_tokenizer(plain, method="words", words=tmp_path / "nothing.txt")


def test_words_share_their_steps(plain):
    one, two = (extend_tokenizer(plain, method="words", words=words, leading_space="with") for words in
                (["zebrafish"], ["zebrafish", "zebrafishes"]))  # fmt: skip
    assert len(two.new_tokens) < 2 * len(one.new_tokens)
    assert two.new_tokens[: len(one.new_tokens)] != ()
    assert one.new_tokens[0].intermediate is (one.new_tokens[0].text != " zebrafish")


def test_a_chain_that_would_pass_an_old_token_is_not_made():
    composer = Composer(["a", "b", "c", "ab", "bc", "abc"])
    assert "already in the vocabulary as id 5" in composer.compose((0, 1, 2), 1)
    composer = Composer(["a", "b", "c", "ab", "bc"])
    assert "every chain of merges passes a token" in composer.compose((0, 1, 2), 1)
    assert composer.merges == []


@given(st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=6), min_size=1, max_size=8))
def test_composed_words_stay_whole_whatever_comes_after(words):
    composer = Composer(list("abcd"))
    whole = []
    for word in words:
        if composer.compose(word, 1) is None:
            whole.append(word)
    for word in whole:
        (number,) = composer.encode(word)
        assert composer.merges[number - 4].token == "".join("abcd"[piece] for piece in word)
    assert len({merge.token for merge in composer.merges}) == len(composer.merges)


def test_tokens_of_a_donor_are_its_own_or_steps_to_them(made, donor):
    file = TokenizerFile.load(donor)
    own = {file.token_bytes(number) for number in range(file.size)}
    for kind in KINDS:
        extension = made[kind, "donor"]
        steps = {part for token in extension.new_tokens for part in token.merge}
        assert all(token.bytes in own for token in extension.new_tokens if token.id not in steps)
        assert any("single token already" in reject.reason for reject in extension.rejects)


@pytest.mark.parametrize(("method", "lacking"), [("donor", "without a donor"), ("words", "without a word")])
def test_what_a_method_needs_is_asked_before_anything_is_read(method, lacking):
    with pytest.raises(ConfigError, match=lacking):
        extend_tokenizer("no/such/tokenizer/anywhere", "no/such/corpus", method=method)


def test_added_tokens_do_harm_and_the_checks_say_so(plain, code):
    with pytest.raises(CheckError) as refused:
        extend_tokenizer(plain, code, SIZE, "frequency", processes=1)
    assert "allow=['pieces are the base's encoding'" in str(refused.value).replace('"', "'")
    extension = extend_tokenizer(plain, code, SIZE, "frequency", processes=1, allow=PROMISES)
    failed = {check.name for check in extension.checks if check.outcome == "failed"}
    assert "pieces are the base's encoding" in failed
    assert not failed & {"old ids stay after reload", "no id twice, none free", "every new token is reachable"}
    assert all(token.merge is None and token.notes[0] == "added token" for token in extension.new_tokens)
    assert sum(token.saved for token in extension.new_tokens) > 0


def test_algorithm_3_drops_what_it_says(plain, code):
    text = [*code, "42 42 4242 4242", *["rey\nith\nhen\nome\nent\nrai\nome"] * 9]
    extension = extend_tokenizer(plain, text, 400, "frequency", processes=1, allow=PROMISES)
    known = [plain.token_bytes(number) for number in range(plain.size) if plain.tokens[number]]
    for token in extension.new_tokens:
        assert not any(token.bytes in entry for entry in known)
        assert any(map(str.isalpha, token.text)) or not any(map(str.isnumeric, token.text))
    assert [token.count for token in extension.new_tokens] == sorted(
        (token.count for token in extension.new_tokens), reverse=True
    )
    reasons = {reject.reason for reject in extension.rejects}
    assert {
        "a numeral",
        "in the vocabulary already",
        "a substring of a token that is in the vocabulary already",
    } <= reasons


@pytest.mark.parametrize("kind", ["unigram", "wordpiece"])
@pytest.mark.parametrize("method", ["words", "donor", "frequency"])
def test_families_that_take_entries_whole_need_no_steps(make_tokenizer, code, donor, kind, method):
    extension = extend_tokenizer(
        make_tokenizer(kind), code, 12, method, words=WORDS, donor=donor, processes=1, allow=PROMISES
    )
    assert extension.new_tokens
    assert all(token.merge is None for token in extension.new_tokens)
    assert all(len(token.pieces) > 1 for token in extension.new_tokens)


# Whole pre-tokens, where `ignore_merges` takes an entry without merges


LONG = ["alpha_omega zulu yankee alphabet", "alpha_omega zulu", "yankee zulu alpha_omega x"] * 12


@pytest.mark.parametrize(("kind", "whole"), [("llama3", True), ("gpt2", False)])
def test_a_pretoken_is_one_entry_without_steps_only_where_it_is_taken_whole(make_tokenizer, kind, whole):
    extension = extend_tokenizer(make_tokenizer(kind), LONG, 3, processes=1)
    noted = [token for token in extension.new_tokens if WHOLE in token.notes]
    assert bool(noted) == whole
    for token in noted:
        assert token.merge is None
        assert list(token.pieces) == extension.base.encode([token.text])[0]
        assert extension.encode([token.text]) == [[token.id]]
        # Inside a longer pre-token nothing makes it.
        assert token.id not in extension.encode([f"{token.text}qq"])[0]
    rules = len(extension.file.document["model"]["merges"]) - len(extension.base.document["model"]["merges"])
    assert rules == len(extension.new_tokens) - len(noted)


def test_where_the_corpus_gives_fewer_tokens_than_asked_for_rules_come_before_whole_pretokens(plain):
    extension = extend_tokenizer(plain, LONG, 500, processes=1)
    assert extension.shortfall
    assert all(token.merge for token in extension.new_tokens)


def test_a_filter_holds_for_whole_pretokens_too(plain):
    extension = extend_tokenizer(plain, LONG, 3, processes=1, filters=["pattern:zulu"])
    assert not any("zulu" in token.text for token in extension.new_tokens)
    assert any("zulu" in reject.text and "pattern" in reject.reason for reject in extension.rejects)


@pytest.mark.parametrize("scorer", ["count", "saved"])
def test_scorers_and_exposure_go_with_whole_pretokens(plain, scorer):
    extension = extend_tokenizer(plain, LONG, 3, processes=1, scorer=scorer, min_exposure=5)
    assert 0 < len(extension.new_tokens) <= 3
    assert all(token.uses >= 5 for token in extension.new_tokens if not token.intermediate)

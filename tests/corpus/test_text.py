"""Bytes to text: exact, whatever the chunks, and exact about where a fault is."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.config import CorpusConfig
from tokengraft.corpus import stream, text
from tokengraft.corpus.formats.textfile import LEAST, MOST, blocks
from tokengraft.corpus.text import decoded, lines
from tokengraft.errors import CorpusError

ENCODINGS = ["utf-8", "utf-16", "utf-16-le", "utf-32", "gb18030", "utf-8-sig"]

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff\0"))


class Slow(io.BytesIO):
    """A file that gives a few bytes at a time, so that characters are torn apart."""

    def __init__(self, data, step):
        super().__init__(data)
        self.step = step

    def read(self, size=-1, /):
        return super().read(min(size, self.step))


@given(TEXTS, st.sampled_from(ENCODINGS), st.integers(4, 9))
def test_decoding_in_chunks_is_decoding(content, encoding, step):
    assert "".join(decoded(Slow(content.encode(encoding), step), "x", encoding)) == content


@given(TEXTS, st.binary(min_size=1), st.integers(4, 9))
def test_the_offset_of_a_fault_is_exact(content, more, step):
    data = content.encode() + more.replace(b"\0", b"\xff")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        with pytest.raises(CorpusError, match=f"byte {data[error.start]:#04x} at offset {error.start} is not utf-8"):
            list(decoded(Slow(data, step), "x", "utf-8"))
    else:
        assert "".join(decoded(Slow(data, step), "x", "utf-8")) == data.decode().removeprefix("\ufeff")


def test_a_file_that_ends_inside_a_character():
    with pytest.raises(CorpusError, match="byte 0xe4 at offset 2 "):
        list(decoded(io.BytesIO("ab你".encode()[:-1]), "x", "utf-8"))


def test_utf16_without_its_mark():
    with pytest.raises(CorpusError, match="expected: text in the encoding utf-16"):
        list(decoded(io.BytesIO("plain text".encode("utf-16-le")), "x", "utf-16"))


@given(st.lists(st.text("ab\n\u2028\r", max_size=6)))
def test_lines_do_not_depend_on_chunks(chunks):
    assert list(lines(chunks)) == "".join(chunks).removesuffix("\n").split("\n") or not "".join(chunks)


@given(st.lists(st.text("ab \n\r", max_size=30)), st.integers(2, 8), st.integers(9, 20))
def test_blocks_are_the_text_whatever_the_chunks(chunks, least, most):
    whole = "".join(chunks)
    found = list(blocks(chunks, least, most))
    assert "".join(found) == whole
    assert found == list(blocks([whole], least, most))
    assert all(0 < len(block) <= most for block in found)
    assert all(len(block) >= least for block in found[:-1])


def test_a_text_file_is_cut_between_paragraphs(tmp_path):
    paragraphs = [f"Paragraph {i}.\n" + "words and words\n" * 40 + "\n" for i in range(60)]
    path = tmp_path / "book.txt"
    path.write_text("".join(paragraphs), encoding="utf-8", newline="")
    documents = list(stream(CorpusConfig(str(path))))
    assert [document.name for document in documents[:2]] == ["book.txt:1", "book.txt:2"]
    assert "".join(document.text for document in documents) == "".join(paragraphs)
    assert all(document.text.startswith("Paragraph") for document in documents)
    assert all(LEAST <= len(document.text) <= MOST for document in documents[:-1])


def test_a_text_file_without_any_line_end_is_still_cut(tmp_path):
    (tmp_path / "a.txt").write_text("x" * (3 * MOST + 5), encoding="utf-8")
    assert [len(d.text) for d in stream(CorpusConfig(str(tmp_path / "a.txt")))] == [MOST, MOST, MOST, 5]


def test_chunks_are_much_larger_than_a_block():
    assert text.CHUNK > 4 * MOST

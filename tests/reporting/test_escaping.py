"""Text of a corpus may be anything; on the page it is text, and nothing in it is hidden."""

import html as html_module
import json
import re
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.reporting import render
from tokengraft.reporting.text import readable, visible, visible_bytes

HOSTILE = (
    "</style></title></textarea></svg>--><script>alert(1)</script><img src=x onerror=alert(2)>\"' $x^2$ {{7*7}} &lt;"
)


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.names, self.attributes, self.text = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.text.append(data)


def _everywhere(hostile):
    def change(metrics, samples, candidates):
        for name in ("title", "model", "corpus", "general"):
            metrics[name] = f"{name} {hostile}"
        metrics["hardware"]["cpu"] = hostile
        metrics["hardware"][hostile] = {"a": hostile}
        metrics["versions"][hostile] = hostile
        metrics["tokens"]["method"] = metrics["tokens"]["family"] = hostile
        metrics["checks"][0].update(name=hostile, detail=hostile)
        metrics["models"][1]["name"] = hostile
        metrics["memory"]["how"] = hostile
        metrics["timing"]["stages"] = {hostile: 3.0, "other": 1.0}
        passage = samples["passages"][0]
        passage["name"] = hostile
        passage["base"].append([hostile, 1])
        passage["extended"] += [[hostile, candidates[0]["id"]], [hostile, 1]]
        samples["continuations"][0]["prompt"] = hostile
        samples["continuations"][0]["distilled"]["text"] = hostile
        candidates[0].update(
            text=hostile,
            bytes=hostile.encode(errors="surrogatepass").hex(),
            piece_texts=[hostile],
            notes=[hostile],
            saved=10**6,
        )
        candidates.append({"token": "x", "pieces": [], "rejected": hostile})

    return change


def test_hostile_text_makes_no_element_and_no_attribute(make_run):
    kinds = Elements(render(make_run()))
    html = render(make_run(_everywhere(HOSTILE), "hostile"))
    page = Elements(html)
    assert set(page.names) == set(kinds.names) | {"p"}
    assert set(page.attributes) <= set(kinds.attributes) | {"class"}
    assert page.names.count("script") == page.names.count("style") == page.names.count("title") == 1
    assert "alert(1)</script>" not in html


def test_hostile_text_is_shown_as_it_is(make_run):
    folder = make_run(_everywhere(HOSTILE))
    text = "".join(Elements(render(folder)).text)
    # title, model, corpus, general, cpu, ...: every place that was given the text shows all of it.
    assert text.count(HOSTILE) >= 20


def test_hostile_text_stands_in_charts_as_text(make_run):
    tag = "</svg><script>$x^2$&"
    charts = re.findall(r"<svg xmlns=.*?</svg>", render(make_run(_everywhere(tag))), flags=re.DOTALL)
    labels = [label for chart in charts for label in re.findall(r"<text[^>]*>([^<]*)</text>", chart)]
    # A bar in both charts of bits per byte, and one of the stages.
    assert [html_module.unescape(label) for label in labels].count(tag) == 3


UNSEEN = "a\u202eb\u2066c\u200bd\x00e\x1bf\ufeffg\u2028h\x85i\ud800j\ufffek\U000e0041"


def test_no_control_or_direction_character_reaches_the_page(make_run):
    html = render(make_run(_everywhere(UNSEEN)))
    kinds = {unicodedata.category(character) for character in set(html) - {"\n", "\t"}}
    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    html.encode("utf-8")
    assert "U+202E" in html
    assert "⟨U+202E⟩" in html
    assert 'title="RIGHT-TO-LEFT OVERRIDE"' in html


def test_the_corpus_config_is_escaped_too(make_run):
    folder = make_run()
    (folder / "config.yaml").write_text(f"model: x\n? {json.dumps(HOSTILE)}\n: {json.dumps(HOSTILE)}\n")
    assert Elements(render(folder)).names.count("script") == 1


@given(st.text(alphabet=st.characters() | st.sampled_from("<>&\"' \n\t\r\u202e\u00a0\ufffd\ud800"), max_size=40))
def test_visible_text_is_the_text_where_it_can_be_seen(text):
    shown = str(visible(text))
    without_marks = re.sub(r"<b title=[^>]*>.*?</b>", "", shown)
    plain = html_module.unescape(re.sub(r"</?i[^>]*>", "", without_marks))
    hidden = set(text) - set(plain)
    assert plain == "".join(character for character in text if character not in hidden)
    assert all(not character.isprintable() or character == "\ufffd" or _is_ignorable(character) for character in hidden)
    assert "<script" not in shown
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in set(shown) - {"\n", "\t"})


def _is_ignorable(character):
    import regex

    return bool(regex.match(r"\p{DI}", character))


@given(st.text())
def test_readable_text_hides_nothing(text):
    shown = readable(text)
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in set(shown) - {"\n", "\t"})


@given(st.binary(max_size=12))
def test_every_byte_of_a_token_is_shown(data):
    shown = str(visible_bytes(data))
    for byte in {
        code - 0xDC00 for code in map(ord, data.decode("utf-8", "surrogateescape")) if 0xDC80 <= code <= 0xDCFF
    }:
        assert f">{byte:02X}</b>" in shown


@pytest.mark.parametrize(
    ("text", "shown"), [("  a", '<i class="s">  </i>a'), ("\n", '<i class="n">\n</i>'), ("\ufffd", ">?</b>")]
)
def test_whitespace_is_marked(text, shown):
    assert shown in str(visible(text))

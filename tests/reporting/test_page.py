"""The page: its order, its sealing against the network, and what it says when parts of a run are missing."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from tokengraft import atomic
from tokengraft.errors import RunFolderError
from tokengraft.reporting import page as page_module
from tokengraft.reporting import render, write_report

VOID = {"meta", "link", "br", "wbr", "input"}


class Tags(HTMLParser):
    """Start tags with attributes, texts, and whether every element was closed in its order."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.text = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)

    def texts(self):
        return " ".join("".join(self.text).split())


def test_the_page_stands_in_the_order_in_which_it_is_looked_at(run_folder):
    html = render(run_folder)
    parts = [
        "<h1>",
        'class="tiles"',
        'id="text"',
        'id="models"',
        'id="bits-domain',
        'aria-label="KL to the base',
        'id="tokens"',
    ]
    parts += [
        'id="continuations"',
        'id="checks"',
        'aria-label="Share of tokens saved',
        'aria-label="Memory at its peak',
        'id="settings"',
        'id="meaning"',
    ]
    parts.remove('id="bits-domain')
    places = [html.index(part) for part in parts]
    assert places == sorted(places)


def test_the_headline_says_the_result(run_folder):
    headline = re.sub("<[^>]+>", "", re.search("<h1>(.*?)</h1>", render(run_folder)).group(1)).replace("\u202f", " ")
    assert headline == (
        "800 new tokens: 23.0 % fewer tokens on held‑out text; 93.9 % of the loss gap closed; "
        "general text unchanged to 0.28 %."
    )


def test_every_element_is_closed_and_no_id_stands_twice(run_folder):
    tags = Tags(render(run_folder))
    ids = [attributes["id"] for _, attributes in tags.tags if "id" in attributes]
    assert tags.open == []
    assert len(ids) == len(set(ids))


def test_same_document_links_lead_somewhere(run_folder):
    html = render(run_folder)
    tags = Tags(html)
    ids = {attributes.get("id") for _, attributes in tags.tags}
    links = [
        attributes["href"] for _, attributes in tags.tags if "href" in attributes and attributes["href"] != "data:,"
    ]
    assert links
    for target in [link.removeprefix("#") for link in links] + re.findall(r"url\(#([^)]+)\)", html):
        assert target in ids


def test_nothing_is_asked_of_the_network(run_folder):
    html = render(run_folder)
    assert re.findall(r"https?://\S+?(?=[\"'\s<])", html.replace('xmlns="http://www.w3.org/2000/svg"', "")) == []
    for tag, attributes in Tags(html).tags:
        assert tag not in {"img", "iframe", "object", "embed", "base", "form", "audio", "video"}
        assert not {"src", "srcset", "style", "action"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_the_policy_allows_the_page_s_own_style_and_script_by_hash_and_nothing_else(run_folder):
    html = render(run_folder)
    policy = next(a["content"] for _, a in Tags(html).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (source,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_same_folder_gives_the_same_page(run_folder):
    assert render(run_folder) == render(run_folder)


def test_the_first_tokens_stand_open_and_the_rest_are_folded(run_folder):
    html = render(run_folder)
    lines = [json.loads(line) for line in (run_folder / "candidates.jsonl").read_text().splitlines()]
    first, rest = (
        re.search('id="first-tokens".*?</table>', html, re.DOTALL),
        re.search('id="other-tokens".*?</table>', html, re.DOTALL),
    )
    bodies = [match.group().count("<tr><td>") for match in (first, rest)]
    assert bodies == [50, sum("id" in line for line in lines) - 50]
    saved = [int(value) for value in re.findall(r'data-value="(\d+)"', first.group())][1::2]
    assert saved == sorted(saved, reverse=True)
    assert "Candidates not added: 2 × counted less than 2 times." in Tags(html).texts()


def test_more_tokens_than_a_page_bears_are_named_not_drawn(run_folder, monkeypatch):
    monkeypatch.setattr(page_module, "MOST_TOKENS", 60)
    html = render(run_folder)
    assert html.count("<tr><td>") == 60
    assert re.search(r"\d+ tokens that save less stand in <code>candidates.jsonl</code> only", html)


def test_hovering_a_new_token_tells_its_id_pieces_and_count(run_folder):
    titles = [
        a["title"]
        for tag, a in Tags(render(run_folder)).tags
        if tag == "span" and a.get("class") == "new" and "title" in a
    ]
    assert titles
    assert all(re.fullmatch(r"id \d+ · new, from .+ · seen [\d\u202f]+ times", title) for title in titles)
    assert any("␣at + ten + tio + n" in title for title in titles)


def _bare(metrics, samples, candidates):
    for name in (
        "general",
        "memory",
        "checks",
        "exactness",
        "timing",
        "training",
        "gap_closed",
        "title",
        "hardware",
        "versions",
    ):
        metrics[name] = None
    metrics["tokens"]["ceiling"] = None
    metrics["tokens"]["fertility"]["general"] = None
    for model in metrics["models"]:
        model["general"] = None
    samples.clear()
    candidates.clear()


def test_missing_parts_are_said_in_words(make_run):
    folder = make_run(_bare)
    for name in ("config.yaml", "log.jsonl", "samples.json", "candidates.jsonl"):
        (folder / name).unlink()
    tags = Tags(render(folder))
    text = tags.texts()
    for sentence in (
        "No passages were kept in this run.",
        "No general text was given, so nothing is known of what the model may have forgotten.",
        "No training steps were logged in this run.",
        "This run kept no list of its tokens",
        "No continuations were made in this run.",
        "This run kept no checks.",
        "The ceiling that the split pattern sets was not measured.",
        "Peak memory was not measured on this machine.",
        "No times were kept.",
        "general text not measured",
    ):
        assert sentence in text
    assert tags.count("svg") == 1 + 1 + 3  # symbols, bits per byte on domain text, ticks of three tiles


def test_a_run_without_models_beyond_the_base_promises_nothing_of_them(make_run):
    def change(metrics, _samples, _candidates):
        metrics["models"] = metrics["models"][:1]
        metrics["gap_closed"] = None

    html = render(make_run(change))
    assert "loss gap" not in re.search("<h1>.*?</h1>", html).group()
    assert "general text" not in re.search("<h1>.*?</h1>", html).group()


def test_failed_checks_are_said_at_the_top(make_run):
    def change(metrics, _samples, _candidates):
        metrics["checks"][1]["passed"] = False

    html = render(make_run(change))
    assert html.index("1 of 4 checks did not pass") < html.index("<main>")
    assert 'aria-label="failed"' in html


def test_a_diverged_model_is_shown_as_such(make_run):
    def change(metrics, _samples, _candidates):
        metrics["models"][2]["domain"]["bits_per_byte"] = float("nan")
        metrics["gap_closed"] = float("nan")

    html = render(make_run(change))
    assert "not a number" in html
    assert 'class="missed"><b>not a number</b>' in html


def test_write_report_replaces_the_page_and_leaves_nothing_beside_it(run_folder):
    (run_folder / "report.html").write_text("old")
    before = {path.name for path in run_folder.iterdir()}
    target = write_report(run_folder)
    assert target == run_folder / "report.html"
    assert target.read_text(encoding="utf-8") == render(run_folder)
    assert {path.name for path in run_folder.iterdir()} == before


def test_a_failed_write_keeps_the_old_page(run_folder, monkeypatch):
    (run_folder / "report.html").write_text("old")
    before = {path.name for path in run_folder.iterdir()}

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(RunFolderError, match="no space left"):
        write_report(run_folder)
    assert (run_folder / "report.html").read_text() == "old"
    assert {path.name for path in run_folder.iterdir()} == before


def test_the_report_needs_neither_torch_nor_transformers(run_folder):
    code = (
        "import sys; from pathlib import Path; from tokengraft.reporting import write_report; "
        f"write_report(Path({str(run_folder)!r})); "
        "assert not {'torch', 'transformers'} & set(sys.modules), 'heavy imports'"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)

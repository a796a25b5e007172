"""Ways to write a few texts into each format, so that what holds for one can be asked of all."""

import gzip
import json
from types import SimpleNamespace

import pytest


def write_jsonl(path, texts, field="text"):
    data = "".join(json.dumps({"id": 7, field: text}) + "\n" for text in texts).encode()
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(data))
    elif path.suffix == ".zst":
        import pyarrow

        with pyarrow.output_stream(path, compression="zstd") as file:
            file.write(data)
    else:
        path.write_bytes(data)
    return str(path)


def write_parquet(path, texts, field="text", row_group_size=None):
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({"id": list(range(len(texts))), field: texts})
    parquet.write_table(table, path, row_group_size=row_group_size)
    return str(path)


def write_folder(path, files):
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def write_records(path, texts):
    write_folder(path, {"README.md": "about these records", "_SUCCESS": ""})
    write_jsonl(path / "a.jsonl", texts[:2])
    write_parquet(path / "b.parquet", texts[2:])
    return str(path)


def write_hub(path, texts):
    """What `datasets` takes for a dataset of that name: a folder of that name under the working directory."""
    folder = path / "owner" / "name"
    folder.mkdir(parents=True)
    write_jsonl(folder / "train.jsonl", texts)
    return "hub:owner/name"


WRITERS = {
    "folder": lambda path, texts: write_folder(path / "src", {f"{i}/a.py": text for i, text in enumerate(texts)}),
    "folder of records": lambda path, texts: write_records(path / "records", texts),
    "jsonl": lambda path, texts: write_jsonl(path / "notes.jsonl", texts),
    "jsonl.gz": lambda path, texts: write_jsonl(path / "notes.jsonl.gz", texts),
    "jsonl.zst": lambda path, texts: write_jsonl(path / "notes.JSONL.zst", texts),
    "parquet": lambda path, texts: write_parquet(path / "notes.parquet", texts),
    "hub": write_hub,
}


@pytest.fixture(scope="session")
def write():
    """Writers of one format each: `jsonl`, `parquet`, `folder`, `hub`."""
    return SimpleNamespace(jsonl=write_jsonl, parquet=write_parquet, folder=write_folder, hub=write_hub)


@pytest.fixture(scope="session")
def texts():
    """What formats might lose: line ends, quotes, characters of several bytes, U+2028, which ends no line."""
    return ["alpha beta\n", "grüß Gott – 你好\r\n\tline\u2028two", "def f(x):\n    return x\n", "a 'q' \\ \"text\" 🙂"]


@pytest.fixture(params=WRITERS)
def location(request, tmp_path, monkeypatch, texts):
    """A corpus that holds `texts`, in each format in turn."""
    monkeypatch.chdir(tmp_path)
    return WRITERS[request.param](tmp_path, texts)

"""`tokengraft export`: the model of a run in the form that something else loads."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def export(
    run: Annotated[Path, Parameter(help="Folder of a finished run.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="New folder for the export.")],
    format: Annotated[str, Parameter(help="hf, patch, adapter or gguf.")] = "hf",  # noqa: A002
    max_shard_size: Annotated[str | None, Parameter(help='Largest weight file, such as "4GB" (hf).')] = None,
    llama_cpp: Annotated[
        Path | None, Parameter(help="Folder of a llama.cpp checkout, whose converter runs (gguf).")
    ] = None,
    pre_tokenizer: Annotated[
        str | None, Parameter(help="llama.cpp's name for how the base splits text, where it does not know it (gguf).")
    ] = None,
    gguf_type: Annotated[str, Parameter(help="f32, f16, bf16, q8_0, or auto: as the base is stored (gguf).")] = "auto",
    trust_remote_code: Annotated[bool, Parameter(help="Run code that comes with the model.")] = False,
    push: Annotated[str | None, Parameter(help="Hub repository (owner/name) that the folder is uploaded to.")] = None,
) -> None:
    """Write a run's model in a format, after a fresh process has loaded it and given the same ids and logits."""
    from tokengraft.exporting import export as write

    chosen = {
        "max_shard_size": max_shard_size, "trust_remote_code": trust_remote_code, "pre_tokenizer": pre_tokenizer,
        "llama_cpp": None if llama_cpp is None else str(llama_cpp), "gguf_type": gguf_type,
    }  # fmt: skip
    print(write(run, out, format, **chosen))
    if push is not None:
        from tokengraft.exporting.push import push_folder

        print(push_folder(out, push))

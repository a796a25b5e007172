"""The file from which Ollama makes a model."""

import json
from pathlib import Path

from tokengraft.exporting.finished import Finished
from tokengraft.tokenizer.declared import content_of


def write_modelfile(finished: Finished, place: Path, weights: str) -> None:
    """Writes `Modelfile` beside the GGUF file `weights`: the context, where to stop, and how a prompt is written.

    A model without a chat template goes on with the prompt as it stands. A known chat template is recognised by Ollama
    in the file itself, so none is written over it.
    """
    lines = [f"FROM ./{weights}"]
    settings = json.loads((finished.model / "config.json").read_text(encoding="utf-8"))
    context = settings.get("max_position_embeddings") or settings.get("n_positions")
    if context:
        lines.append(f"PARAMETER num_ctx {context}")
    file = finished.extension().file
    stop = content_of(file.config.get("eos_token"))
    if stop:
        lines.append(f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}")
    chats = "chat_template" in file.config or any(name.startswith("chat_template") for name in file.companions)
    if not chats:
        lines.append('TEMPLATE "{{ .Prompt }}"')
    (place / "Modelfile").write_text("\n".join([*lines, ""]), encoding="utf-8")

"""Answers by vLLM, where it is installed (`pip install tokengraft[vllm]`)."""

import hashlib
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tokengraft.errors import ConfigError
from tokengraft.evaluation.code_tasks.generation import Answer, Request, Sampling, backends
from tokengraft.evaluation.code_tasks.settings import CodeTasksConfig

AT_A_TIME = 256
"""Requests handed over together: vLLM batches them itself, and what is answered is written down in between."""


@backends.register("vllm", paper="")
class Vllm:
    """Continuous batching on a GPU; the model is given by its path or hub id."""

    def __init__(self, model: Any, tokenizer: Any, settings: CodeTasksConfig) -> None:
        if not isinstance(model, str):
            raise ConfigError(
                found="a loaded model for vLLM", expected="a path or a hub id", do="save the model and give its folder"
            )
        try:
            vllm: Any = import_module("vllm")  # an extra
        except ImportError as error:
            raise ConfigError(
                found="backend vllm, and no vllm installed", expected="it, or transformers",
                do="pip install tokengraft[vllm], or leave --backend out",
            ) from error  # fmt: skip
        self._params = vllm.SamplingParams
        self._engine = vllm.LLM(
            model=model, dtype=settings.dtype, seed=settings.seed, trust_remote_code=settings.trust_remote_code
        )
        self.tokenizer = tokenizer or self._engine.get_tokenizer()
        self.context = int(self._engine.llm_engine.model_config.max_model_len)
        self.fingerprint = _of_files(model)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Answer]]:
        """Answers of up to 256 requests at a time."""
        for start in range(0, len(requests), AT_A_TIME):
            part = requests[start : start + AT_A_TIME]
            prompts = [{"prompt_token_ids": request.ids} for request in part]
            params = [self._param(request, sampling) for request in part]
            outputs = self._engine.generate(prompts, params, use_tqdm=False)
            yield [_answer(request, output.outputs[0]) for request, output in zip(part, outputs, strict=True)]

    def _param(self, request: Request, sampling: Sampling) -> Any:
        return self._params(
            temperature=sampling.temperature, top_p=sampling.top_p, max_tokens=request.room, seed=request.seed,
            stop=list(request.stop), include_stop_str_in_output=False, skip_special_tokens=True,
        )  # fmt: skip


def _answer(request: Request, output: Any) -> Answer:
    # vLLM names the stop sequence that ended an answer, and nothing where the model ended it.
    ended = "length" if output.finish_reason == "length" else "stop" if output.stop_reason else "end"
    return Answer(request.task_id, request.sample, output.text, len(output.token_ids), len(request.ids), ended)


def _of_files(model: str) -> str:
    """Of a folder: names, sizes and times of its weights; of a hub id: the id."""
    files = sorted(Path(model).glob("*.safetensors"))
    facts = [model, *(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]

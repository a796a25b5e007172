"""Stands in for llama-cpp-python: reads the model that the converter beside it was given, with transformers."""

import os
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

GGML_TYPE_F32 = 0


class Llama:
    def __init__(self, path, *, n_ctx, n_threads, logits_all, verbose, type_k, type_v):
        assert logits_all
        assert not verbose
        self.context = n_ctx
        assert (n_threads, type_k, type_v) == (1, GGML_TYPE_F32, GGML_TYPE_F32)
        with safe_open(path, framework="pt") as file:
            folder = Path(file.metadata()["model"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.model = AutoModelForCausalLM.from_pretrained(folder).float().eval()
        self.off = float(os.environ.get("STANDIN_OFF", "0"))
        self.reset()

    def reset(self):
        self.row = []

    def tokenize(self, text, *, add_bos, special):
        assert special
        return self.tokenizer.encode(text.decode(), add_special_tokens=add_bos).ids

    @torch.no_grad()
    def eval(self, ids):
        self.row += ids
        assert len(self.row) <= self.context
        self.scores = np.array(self.model(torch.tensor([self.row])).logits[0]) + self.off

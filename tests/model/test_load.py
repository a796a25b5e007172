"""Loading: every refusal with its message, dtypes, and nothing made up where weights are missing."""

import importlib.util
import json
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tokengraft.errors import DeviceError, ModelError
from tokengraft.model.load import check_model, context_length, load_model, pick_device, pick_dtype
from tokengraft.model.stored import refuse_narrower, stored_dtype
from tokengraft.model.tables import find_tables, same_bits

CPU = torch.device("cpu")


def shared(name):
    """A helper of the shared conftest; test modules are no package, so it is loaded by its path."""
    spec = importlib.util.spec_from_file_location(
        "shared_conftest", Path(__file__).resolve().parents[1] / "conftest.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


@pytest.fixture
def folder(tmp_path):
    """A whole Llama folder with an untied head, float32."""
    shared("make_model")("llama-untied").save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors", {"format": "pt"})


def refused(folder, **keywords):
    with pytest.raises(ModelError) as error:
        load_model(str(folder), device="cpu", **keywords)
    assert "\n" not in error.value.found
    assert error.value.expected
    assert error.value.do
    return error.value.found


def test_a_whole_folder_is_loaded_frozen(folder):
    model = load_model(str(folder), device="cpu")
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    original = load_file(folder / "model.safetensors")
    assert same_bits(find_tables(model).head_weight, original["lm_head.weight"])


def test_no_folder(tmp_path):
    assert "no folder" in refused(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="no folder"):
        check_model("./nowhere")


def test_a_folder_without_settings(folder):
    (folder / "config.json").unlink()
    assert "without config.json" in refused(folder)


@pytest.mark.parametrize("text", ["{", "", "nonsense"])
def test_settings_that_are_no_json(folder, text):
    (folder / "config.json").write_text(text)
    assert "config.json" in refused(folder)


@pytest.mark.parametrize("text", ["[]", "{}", '{"model_type": "nonesuch"}', '{"model_type": "t5"}'])
def test_settings_of_no_causal_model(folder, text):
    (folder / "config.json").write_text(text)
    refused(folder)


@pytest.mark.parametrize("changes", [{"hidden_size": "many"}, {"num_attention_heads": 0}, {"hidden_act": "magic"}])
def test_settings_that_make_no_model(folder, changes):
    change_config(folder, **changes)
    refused(folder)


def test_only_weights_that_can_run_code(folder):
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "without *.safetensors" in refused(folder)


@pytest.mark.parametrize("keep", [0, 3, 100, -50])
def test_weights_that_were_cut_short(folder, keep):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:keep])
    refused(folder)


def test_head_weights_are_missing(folder):
    """transformers would make them up at random, and only warn."""
    change_weights(folder, lambda tensors: {name: value for name, value in tensors.items() if name != "lm_head.weight"})
    assert "lm_head.weight" in refused(folder)


def test_many_weights_are_missing(folder):
    change_weights(folder, lambda tensors: {name: value for name, value in tensors.items() if "layers" not in name})
    assert refused(folder).endswith(", …")


def test_weights_of_another_shape(folder):
    change_config(folder, vocab_size=100)
    refused(folder)


@pytest.mark.parametrize(
    "quantised",
    [
        pytest.param(
            {"quant_method": "bitsandbytes", "load_in_4bit": True},
            marks=pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed here"),
        ),
        {"quant_method": "gptq", "bits": 4},
    ],
    ids=["bitsandbytes", "gptq"],
)
def test_a_quantised_model_whose_library_is_missing(folder, quantised):
    change_config(folder, quantization_config=quantised)
    refused(folder)


def test_a_hub_id_is_left_to_the_hub():
    assert check_model("owner/name") is None


def test_a_hub_model_that_cannot_be_had(monkeypatch):
    def offline(*_, **__):
        raise OSError("We couldn't connect to the hub\nand more lines")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", offline)
    assert refused("owner/name") == "owner/name: We couldn't connect to the hub"


def test_an_error_without_words(monkeypatch):
    def silent(*_, **__):
        raise OSError

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", silent)
    assert "owner/name" in refused("owner/name")


@pytest.mark.parametrize("name", ["abacus", "", "cuda:nine", "cuda:99"])
def test_a_device_that_is_not_here(name):
    with pytest.raises(DeviceError, match="cpu") as error:
        pick_device(name)
    assert repr(name) in error.value.found


@pytest.mark.parametrize("name", ["hpu", "privateuseone"])
def test_a_device_whose_library_is_not_here(name):
    with pytest.raises(DeviceError):
        pick_device(name)


def test_devices_that_are_here():
    assert pick_device("cpu") == CPU
    assert pick_device("auto").type in {"cpu", "cuda", "mps", "xpu"}


def test_dtypes():
    assert pick_dtype("auto", CPU) == torch.float32
    assert pick_dtype("auto", torch.device("cuda")) == "auto"
    assert pick_dtype("bfloat16", CPU) == torch.bfloat16
    assert pick_dtype("float16", torch.device("cuda")) == torch.float16
    with pytest.raises(DeviceError, match="float16 on a CPU"):
        pick_dtype("float16", CPU)
    with pytest.raises(DeviceError, match="dtype 'float8'"):
        pick_dtype("float8", CPU)


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
def test_auto_computes_in_float32_on_a_cpu_and_knows_what_was_stored(folder, stored):
    AutoModelForCausalLM.from_pretrained(folder, dtype=stored).save_pretrained(folder)
    assert stored_dtype(str(folder)) == stored
    assert load_model(str(folder), device="cpu").dtype == torch.float32
    assert load_model(str(folder), device="cpu", dtype="bfloat16").dtype == torch.bfloat16


def test_the_files_decide_and_not_the_settings(folder):
    """Float32 weights beside settings that say bfloat16 would be rounded if the settings were believed."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    assert stored_dtype(str(folder)) == torch.float32


def test_weights_of_two_dtypes_are_kept_in_the_wider(folder):
    tensors = load_file(folder / "model.safetensors")
    name = min(tensors)
    save_file({**tensors, name: tensors[name].bfloat16()}, folder / "model.safetensors", {"format": "pt"})
    assert stored_dtype(str(folder)) == torch.float32


def test_a_dtype_that_would_round_old_weights_is_refused(folder):
    refuse_narrower(str(folder), torch.float32)
    with pytest.raises(DeviceError, match="stored in float32 and asked for in bfloat16"):
        refuse_narrower(str(folder), torch.bfloat16)


def test_context_length(any_model):
    assert context_length(any_model) == 128


def test_context_length_that_is_not_said():
    config = SimpleNamespace()
    config.get_text_config = lambda: config
    assert context_length(SimpleNamespace(config=config), default=77) == 77


class OddLinear(torch.nn.Linear):
    """A head that keeps its weights as integers, as quantised layers do."""

    def __init__(self, head):
        super().__init__(head.in_features, head.out_features, bias=False)
        self.weight = torch.nn.Parameter(head.weight.to(torch.int8), requires_grad=False)


def test_a_quantised_head_is_refused(any_model):
    any_model.set_output_embeddings(OddLinear(any_model.get_output_embeddings()))
    with pytest.raises(ModelError, match=r"head of type OddLinear \(torch.int8\)"):
        find_tables(any_model)


def test_a_head_of_another_kind_is_refused(any_model):
    any_model.get_output_embeddings = lambda: torch.nn.Bilinear(2, 2, 2)
    with pytest.raises(ModelError, match="head of type Bilinear"):
        find_tables(any_model)


def test_tables_of_two_sizes_are_refused(any_model):
    any_model.set_output_embeddings(torch.nn.Linear(32, 321, bias=False))
    with pytest.raises(ModelError, match=r"\(320, 32\) and head \(321, 32\)"):
        find_tables(any_model)

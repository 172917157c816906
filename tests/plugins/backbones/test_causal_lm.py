"""Any causal language model of transformers."""

import json
import re
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerBase, Qwen2Config

from remgcl import WeightsError
from remgcl.plugins.backbones.causal_lm import CausalLM
from remgcl.plugins.backbones.tiny import TinyBackbone

SHAPE = {
    "vocab_size": 259,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
CONFIGS = {
    "Llama": LlamaConfig(**SHAPE, intermediate_size=24),
    "Qwen 2": Qwen2Config(**SHAPE, intermediate_size=24, num_key_value_heads=1, tie_word_embeddings=True),
    "GPT-2": GPT2Config(**SHAPE),
}


@pytest.fixture(scope="session", params=CONFIGS)
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of random weights in half precision, with a tokenizer."""
    return _stored(tmp_path_factory.mktemp("model"), request.param)


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    """A folder of a Llama, to be broken."""
    return _stored(tmp_path, "Llama")


def _stored(folder: Path, name: str) -> Path:
    AutoModelForCausalLM.from_config(CONFIGS[name]).half().save_pretrained(folder)
    TinyBackbone().build_tokenizer().save_pretrained(folder)
    return folder


def _set(folder: Path, **settings: object) -> None:
    """Change the configuration of a model."""
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))


def _logits(model: nn.Module) -> torch.Tensor:
    embeddings = torch.linspace(-1, 1, 5 * 16).view(1, 5, 16)
    logits: torch.Tensor = model.eval()(inputs_embeds=embeddings).logits
    return logits


def test_it_declares_what_its_configuration_says(stored: Path) -> None:
    spec = CausalLM(weights=str(stored)).spec()
    assert (spec.width, spec.vocabulary, spec.max_length) == (16, 259, 64)


def test_a_model_whose_length_nothing_bounds_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bloom", "vocab_size": 9, "hidden_size": 8}))
    spec = CausalLM(weights=str(tmp_path)).spec()
    assert (spec.width, spec.vocabulary, spec.max_length) == (8, 9, None)


def test_its_parameters_are_counted_from_the_configuration_alone(stored: Path, tmp_path: Path) -> None:
    shutil.copy(stored / "config.json", tmp_path)
    built = sum(each.numel() for each in CausalLM(weights=str(stored)).build().parameters())
    assert CausalLM(weights=str(tmp_path)).parameters() == built


def test_it_has_the_stored_weights_in_float32_each_time(stored: Path) -> None:
    backbone = CausalLM(weights=str(stored))
    model = backbone.build()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    state = model.state_dict()
    for key, tensor in load_file(stored / "model.safetensors").items():
        name = key if key in state else f"transformer.{key}"
        assert torch.equal(state[name], tensor.float())
    assert backbone.restorable
    assert torch.equal(_logits(model), _logits(backbone.build()))


def test_without_pretraining_it_is_random_in_float32_and_reads_no_weights(stored: Path, tmp_path: Path) -> None:
    shutil.copy(stored / "config.json", tmp_path)
    backbone = CausalLM(weights=str(tmp_path))
    first, second = backbone.build(pretrained=False), backbone.build(pretrained=False)
    assert {parameter.dtype for parameter in first.parameters()} == {torch.float32}
    assert not torch.equal(_logits(first), _logits(second))


def test_its_tokenizer_lies_beside_the_weights_or_is_named(
    llama: Path, tmp_path_factory: pytest.TempPathFactory, bytewise: PreTrainedTokenizerBase
) -> None:
    assert CausalLM(weights=str(llama)).build_tokenizer()("a").input_ids == bytewise("a").input_ids
    other = tmp_path_factory.mktemp("tokenizer")
    bytewise.save_pretrained(other)
    (llama / "tokenizer.json").unlink()
    assert (
        CausalLM(weights=str(llama), tokenizer=str(other)).build_tokenizer()("a").input_ids == bytewise("a").input_ids
    )
    with pytest.raises(WeightsError, match="cannot be read"):
        CausalLM(weights=str(llama)).build_tokenizer()


@pytest.mark.parametrize("pretrained", [True, False])
def test_attention_is_of_the_kind_that_was_named(stored: Path, *, pretrained: bool) -> None:
    for attention in ("sdpa", "eager"):
        model = CausalLM(weights=str(stored), attention=attention).build(pretrained=pretrained)
        assert model.config._attn_implementation == attention


def test_the_kinds_of_attention_agree(stored: Path) -> None:
    sdpa, eager = (CausalLM(weights=str(stored), attention=attention).build() for attention in ("sdpa", "eager"))
    assert torch.allclose(_logits(sdpa), _logits(eager), atol=1e-5)


@pytest.mark.skipif(find_spec("flash_attn") is not None, reason="flash-attn is installed")
@pytest.mark.parametrize("pretrained", [True, False])
def test_attention_that_is_not_installed_is_an_error(llama: Path, *, pretrained: bool) -> None:
    backbone = CausalLM(weights=str(llama), attention="flash_attention_2")
    with pytest.raises(WeightsError, match=r"cannot be read; .*FlashAttention2"):
        backbone.build(pretrained=pretrained)


@pytest.mark.parametrize("ask", [CausalLM.spec, CausalLM.build, CausalLM.build_tokenizer, CausalLM.verify])
def test_a_missing_folder_is_an_error_that_names_it(tmp_path: Path, ask: Callable[[CausalLM], object]) -> None:
    missing = str(tmp_path / "gone")
    with pytest.raises(WeightsError, match=f"^weights {re.escape(repr(missing))}: .*there is no such folder"):
        ask(CausalLM(weights=missing))


def test_a_folder_without_tensors_is_an_error_that_tells_what_it_should_hold(llama: Path) -> None:
    backbone = CausalLM(weights=str(llama))
    backbone.verify()
    (llama / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"the folder holds no tensors; expected \*\.safetensors or pytorch_model"):
        backbone.verify()
    with pytest.raises(WeightsError, match=r"cannot be read; .*no file named model\.safetensors.*; it is a folder$"):
        backbone.build()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not a valid JSON file"),
        ("[]", "Unrecognized model"),
        ("{}", "Unrecognized model"),
        ('{"model_type": "no-such-model"}', "`no-such-model` but Transformers does not recognize"),
        ('{"model_type": "llama", "hidden_size": "x"}', "hidden_size"),
        (None, "Unrecognized model"),
    ],
    ids=["broken", "no table", "no model", "unknown model", "wrong type", "missing"],
)
def test_a_broken_configuration_is_an_error(llama: Path, content: str | None, reason: str) -> None:
    if content is None:
        (llama / "config.json").unlink()
    else:
        (llama / "config.json").write_text(content)
    for ask in (CausalLM.spec, CausalLM.build, CausalLM.parameters):
        with pytest.raises(WeightsError, match=rf"^weights '.*': cannot be read; .*{re.escape(reason)}"):
            ask(CausalLM(weights=str(llama)))


def test_weights_cut_short_are_an_error(llama: Path) -> None:
    file = llama / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="cannot be read"):
        CausalLM(weights=str(llama)).build()


def test_weights_of_other_shapes_are_an_error(llama: Path) -> None:
    _set(llama, intermediate_size=32)
    with pytest.raises(WeightsError, match="cannot be read"):
        CausalLM(weights=str(llama)).build()


def test_weights_that_lack_a_tensor_are_an_error_and_not_filled_with_random_numbers(llama: Path) -> None:
    file = llama / "model.safetensors"
    held = load_file(file)
    del held["model.norm.weight"], held["model.layers.0.mlp.up_proj.weight"]
    save_file(held, file, metadata={"format": "pt"})
    message = r"lack tensors of the model; 2 of them, the first 'model\.layers\.0\.mlp\.up_proj\.weight'$"
    with pytest.raises(WeightsError, match=message):
        CausalLM(weights=str(llama)).build()


@pytest.mark.parametrize("model_type", ["llama", "own"], ids=["a known model", "a model of its own"])
def test_the_code_of_a_model_is_never_run(llama: Path, model_type: str) -> None:
    marker = llama / "was-here"
    (llama / "own.py").write_text(
        f"open({str(marker)!r}, 'w').close()\n"
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class Config(LlamaConfig):\n    model_type = 'own'\n"
        "class Model(LlamaForCausalLM):\n    config_class = Config\n"
    )
    _set(llama, model_type=model_type, auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
    backbone = CausalLM(weights=str(llama))
    if model_type == "llama":
        assert type(backbone.build()).__module__.startswith("transformers.")
        assert type(backbone.build(pretrained=False)).__module__.startswith("transformers.")
    else:
        for ask in (CausalLM.spec, CausalLM.build, CausalLM.parameters):
            with pytest.raises(WeightsError, match="contains custom code"):
                ask(backbone)
    assert not marker.exists()


class _Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.file,)


def test_pickled_weights_are_never_executed(llama: Path) -> None:
    marker = llama / "was-here"
    (llama / "model.safetensors").unlink()
    torch.save({"model.norm.weight": _Touch(marker)}, llama / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="Weights only load failed"):
        CausalLM(weights=str(llama)).build()
    assert not marker.exists()

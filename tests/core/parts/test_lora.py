"""LoRA: what it adds to a backbone, what of it learns, and what it leaves as it is."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from remgcl import Lora, RunError
from remgcl.plugins.backbones.tiny import TinyBackbone

PLAIN = TinyBackbone(width=16, layers=2, heads=2, mlp=24)
LAYERS = {f"{part}_proj" for part in ("q", "k", "v", "o", "gate", "up", "down")}
SMALL = Lora(rank=2, alpha=4.0)


def _with(lora: Lora) -> nn.Module:
    return lora.add(PLAIN.build())


def _adapted(backbone: nn.Module) -> set[str]:
    return {name.split(".lora_A")[0].rpartition(".")[2] for name, _ in backbone.named_parameters() if "lora_A" in name}


def _logits(backbone: nn.Module) -> Tensor:
    backbone.eval()
    with torch.no_grad():
        logits: Tensor = backbone(inputs_embeds=torch.linspace(-1, 1, 80).view(1, 5, 16)).logits
    return logits


def test_defaults_are_those_of_llavas_scripts() -> None:
    lora = Lora()
    assert (lora.rank, lora.alpha, lora.dropout, lora.bias) == (128, 256.0, 0.05, "none")


def test_a_backbone_stays_the_same_object_and_says_the_same_at_first() -> None:
    backbone = PLAIN.build()
    before = _logits(backbone)
    assert SMALL.add(backbone) is backbone
    assert torch.equal(_logits(backbone), before)


def test_every_linear_layer_gets_adapters_but_the_output() -> None:
    assert _adapted(_with(SMALL)) == LAYERS


def test_chosen_layers_get_adapters() -> None:
    assert _adapted(_with(Lora(rank=2, targets=("q_proj", "v_proj")))) == {"q_proj", "v_proj"}


def test_layers_that_are_not_there_are_an_error() -> None:
    with pytest.raises(RunError, match=r"^lora: cannot be added to the backbone; .*query_key_value"):
        _with(Lora(targets=("query_key_value",)))


def test_an_adapter_adds_its_product_times_alpha_over_rank() -> None:
    layer = _with(SMALL).get_submodule("model.layers.0.mlp.up_proj").eval()
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight  # type: ignore[index, union-attr]
    nn.init.normal_(b)  # type: ignore[arg-type]
    states = torch.randn(3, 16)
    expected = states @ layer.base_layer.weight.T + 4 / 2 * states @ a.T @ b.T  # type: ignore[operator, union-attr]
    assert torch.allclose(layer(states), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("bias", "learning"),
    [
        ("none", set()),
        ("lora_only", {"up_proj.base_layer.bias"}),
        ("all", {"up_proj.base_layer.bias", "norm.bias"}),
    ],
)
def test_what_may_learn_is_what_peft_lets_learn(bias: str, learning: set[str]) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up_proj, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)

    lora = Lora(rank=2, targets=("up_proj",), bias=bias)  # type: ignore[arg-type]
    block = lora.add(Block())
    owned = {name for name, _ in block.named_parameters() if lora.owns(name)}
    assert owned == {"up_proj.lora_A.default.weight", "up_proj.lora_B.default.weight", *learning}
    assert owned == {name for name, value in block.named_parameters() if value.requires_grad}


def test_parameters_are_counted_without_making_them() -> None:
    every, learning = TinyBackbone(width=16, layers=2, heads=2, mlp=24, lora=SMALL).counts()
    built = dict(_with(SMALL).named_parameters())
    assert every == sum(value.numel() for value in built.values())
    assert learning == sum(value.numel() for name, value in built.items() if "lora" in name)
    assert learning == 2 * 2 * (4 * (16 + 16) + 3 * (16 + 24))


def test_without_adapters_all_of_a_backbone_learns() -> None:
    assert PLAIN.counts() == (PLAIN.parameters(), PLAIN.parameters())
    assert PLAIN.learns("model.embed_tokens.weight")


SIZES = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
EXPERTS = {
    "granitemoe": {"num_local_experts": 4},
    "gpt_oss": {"num_local_experts": 4, "layer_types": ["sliding_attention", "full_attention"]},
    "qwen3_moe": {"num_experts": 4, "moe_intermediate_size": 16},
}


def _moe(kind: str) -> Any:  # noqa: ANN401 - transformers' models are untyped
    more = {**EXPERTS[kind], "num_experts_per_tok": 2}
    return AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**SIZES, **HEADS, **more))


@pytest.mark.parametrize("kind", ["granitemoe", "gpt_oss"])
def test_experts_that_are_held_as_one_tensor_are_named_with_their_share(kind: str) -> None:
    names, share = SMALL.unreached(lambda: _moe(kind))
    sized = {name: each.numel() for name, each in _moe(kind).named_parameters()}
    assert names == tuple(name for name in sized if name.endswith(("gate_up_proj", "down_proj")))
    assert share == sum(sized[name] for name in names) / sum(sized.values()) > 0.5


def test_experts_that_peft_takes_for_layers_ask_for_no_dropout() -> None:
    message = r"^lora: dropout: must be 0 for this backbone, whose experts are held as one tensor each; it is 0.05$"
    with pytest.raises(RunError, match=message):
        SMALL.add(_moe("qwen3_moe"))


@pytest.mark.parametrize("kind", EXPERTS)
def test_without_dropout_every_expert_gets_an_adapter_and_learns(kind: str) -> None:
    lora = Lora(rank=2, dropout=0.0)
    assert lora.unreached(lambda: _moe(kind)) == ((), 0.0)
    model = lora.add(_moe(kind))
    before = model(input_ids=torch.arange(12)[None]).logits.detach()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(lora.owns(name))
        if "lora_B" in name:
            nn.init.normal_(parameter)
    logits = model(input_ids=torch.arange(12)[None]).logits
    assert not torch.allclose(logits, before)
    logits.logsumexp(-1).mean().backward()
    of_experts = [name for name, _ in model.named_parameters() if "experts" in name and "lora_" in name]
    assert len(of_experts) == 2 * 4  # two tensors in each of two layers, with A and B
    assert all(model.get_parameter(name).grad.any() for name in of_experts)


def test_named_layers_leave_the_experts_out() -> None:
    lora = Lora(rank=2, dropout=0.0, targets=("q_proj",))
    names, _ = lora.unreached(lambda: _moe("gpt_oss"))
    assert len(names) == 4


def test_a_model_without_experts_has_nothing_that_adapters_do_not_reach() -> None:
    assert Lora(rank=2).unreached(TinyBackbone().build) == ((), 0.0)

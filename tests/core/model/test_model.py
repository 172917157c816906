"""The model: as published on the golden checkpoints, and what it promises of any batch and backbone."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attrs import evolve
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from remgcl import Batch, Region, Sample
from remgcl.core.data.collate import Collator
from remgcl.core.data.encode import Encoder
from remgcl.core.model.model import Model

CORNERS = ((0.0, 0.0), (20.0, 0.0), (20.0, 15.0), (0.0, 15.0))
BYTES = 259
SMALL = {
    "vocab_size": BYTES,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

BACKBONES: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SMALL)),
    "soft capping": lambda: Gemma2ForCausalLM(Gemma2Config(**SMALL, head_dim=16, final_logit_softcapping=0.5)),
    "scaling": lambda: CohereForCausalLM(CohereConfig(**SMALL, logit_scale=3.0)),
}

Ask = Callable[..., Sample]
BuildModel = Callable[..., Model]


@contextmanager
def calls_of(module: nn.Module) -> Iterator[list[tuple[tuple[int, ...], Tensor]]]:
    """Record the shape of what a module is given, and what it answers, each time it is called."""
    seen: list[tuple[tuple[int, ...], Tensor]] = []
    handle = module.register_forward_hook(lambda _, given, answer: seen.append((tuple(given[0].shape), answer)))
    yield seen
    handle.remove()


def full_logits(model: Model, batch: Batch) -> Tensor:
    """Give the logits at every position `[B, T, V]`, without the model's shortcut."""
    embeddings, *_ = model.embed(batch)
    return model.backbone(inputs_embeds=embeddings, attention_mask=batch["attention_mask"], use_cache=False).logits  # type: ignore[no-any-return]


def language_loss(model: Model, batch: Batch) -> Tensor:
    """Give the mean cross entropy of the supervised tokens."""
    logits, _ = model(batch)
    return functional.cross_entropy(logits, batch["labels"].flatten()[batch["label_slots"]])


@pytest.fixture
def samples(ask: Ask) -> list[Sample]:
    """A short sample with an image and regions, one without an image, and a long one with an image."""
    regions = (Region("KFC", CORNERS), Region("to go", CORNERS))
    return [ask(regions=regions), ask("no", size=None), ask("of course it is", size=(20, 44))]


@pytest.fixture
def batch(samples: list[Sample], encoder: Encoder) -> Batch:
    """These samples, padded on the right."""
    return Collator(encoder.tower)([encoder(sample) for sample in samples])


# -- as published


def test_the_published_features_are_reproduced(published: SimpleNamespace) -> None:
    with torch.no_grad():
        _, features, _ = published.model.embed(published.batch)

    expected = torch.from_numpy(published.arrays["projected_features_slice"])
    found = features.patches[:, ::5]
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_the_published_logits_are_reproduced(published: SimpleNamespace) -> None:
    with torch.no_grad():
        logits = full_logits(published.model, published.batch)[:, ::7, :97]

    expected = torch.from_numpy(published.arrays["logits_slice"])
    present = published.batch["attention_mask"][:, ::7] == 1
    assert logits.shape == expected.shape
    assert present.sum() > 100
    assert (logits - expected)[present].abs().max() < 1e-5 * expected.abs().max()


def test_the_published_answers_are_reproduced_side_by_side(
    golden: Path, published: SimpleNamespace, golden_samples: dict[str, Sample]
) -> None:
    """Two prompts, padded on the left to one length, with the tokens that each gave by itself."""
    records = {each["id"]: each for each in json.loads((golden / "generate.json").read_text("utf-8"))}
    names = ["kfc-1", "walmart-1"]
    prompts = [
        published.encoder.prompt(evolve(golden_samples[name], turns=golden_samples[name].turns[:2])) for name in names
    ]

    ids = published.model.generate(Collator(published.spec, left=True)(prompts), 16)

    assert ids.tolist() == [records[name]["greedy_ids"] for name in names]


# -- logits


@pytest.mark.parametrize("kind", BACKBONES)
def test_logits_at_supervised_tokens_are_those_of_all_positions_whatever_the_backbone_does_to_them(
    kind: str, build_model: BuildModel, batch: Batch
) -> None:
    model = build_model(BACKBONES[kind]()).eval()

    with torch.no_grad():
        logits, _ = model(batch)
        everywhere = full_logits(model, batch)

    expected = everywhere.flatten(0, 1)[batch["label_slots"] - 1]
    assert logits.shape == (len(batch["label_slots"]), BYTES)
    assert logits == pytest.approx(expected, abs=1e-5)
    assert expected.abs().max() > 0.1
    assert (kind == "soft capping") == (bool(expected.abs().max() <= 0.5))


def test_the_head_of_the_backbone_sees_supervised_positions_only(build_model: BuildModel, batch: Batch) -> None:
    model = build_model()
    rows = len(batch["label_slots"])

    with calls_of(model.backbone.get_output_embeddings()) as calls:
        model(batch)

    assert [shape for shape, _ in calls] == [(1, rows, 32)]
    assert rows < batch["ids"].numel()


def test_the_backbone_is_left_as_it_was_even_by_a_failure(
    build_model: BuildModel, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_model()
    head = model.backbone.get_output_embeddings()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(model.backbone, "forward", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            model(batch)
    model(batch)

    assert not head._forward_pre_hooks
    assert full_logits(model, batch).shape == (*batch["ids"].shape, BYTES)


def test_a_batch_without_answers_has_no_logits(
    build_model: BuildModel, encoder: Encoder, samples: list[Sample]
) -> None:
    batch = Collator(encoder.tower)([encoder.prompt(sample) for sample in samples])

    logits, features = build_model()(batch)

    assert logits.shape == (0, BYTES)
    assert features[0].answer.shape == (3, 0, 32)


@pytest.mark.parametrize("kind", BACKBONES)
@pytest.mark.parametrize("left", [True, False], ids=["left", "right"])
def test_a_sample_is_predicted_alike_alone_and_padded_beside_others(
    left: bool,  # noqa: FBT001 - a side
    kind: str,
    build_model: BuildModel,
    encoder: Encoder,
    samples: list[Sample],
) -> None:
    model, collate = build_model(BACKBONES[kind]()).eval(), Collator(encoder.tower, left)
    examples = [encoder(sample) for sample in samples]

    with torch.no_grad():
        together, by_layer = model(collate(examples))
        apart = [model(collate([example])) for example in examples]

    assert together == pytest.approx(torch.cat([logits for logits, _ in apart]), abs=1e-4)
    features, alone_features = by_layer[0], [layers[0] for _, layers in apart]
    for at, alone in enumerate(alone_features):
        kept = features.answer_mask[at]
        assert features.answer[at][kept] == pytest.approx(alone.answer[0][alone.answer_mask[0]], abs=0)
    assert features.patches == pytest.approx(torch.cat([alone.patches for alone in alone_features]), abs=1e-5)
    assert features.regions.text == pytest.approx(alone_features[0].regions.text, abs=1e-6)


# -- embeddings and features


def test_images_stand_in_their_places_and_every_other_token_is_its_embedding(
    build_model: BuildModel, batch: Batch
) -> None:
    model = build_model().eval()
    table = model.backbone.get_input_embeddings().weight

    embeddings, *_ = model.embed(batch)

    projected = model.encode_images(batch["pixels"])
    expected = table[batch["ids"]].flatten(0, 1)
    for at, slot in enumerate(batch["image_slots"].tolist()):
        expected[slot] = projected[at // 16, at % 16]
    assert embeddings.shape == (*batch["ids"].shape, 32)
    assert torch.equal(embeddings.flatten(0, 1), expected)


def test_features_are_patches_supervised_tokens_and_means_of_region_texts(
    build_model: BuildModel, batch: Batch, bytewise: PreTrainedTokenizerBase
) -> None:
    model = build_model().eval()
    table = model.backbone.get_input_embeddings().weight.detach()

    with torch.no_grad():
        _, features, _ = model.embed(batch)

    assert torch.equal(features.patches, model.encode_images(batch["pixels"]))
    assert features.grid == (4, 4)
    for answer, mask, labels in zip(features.answer, batch["answer_mask"], batch["labels"], strict=True):
        assert torch.equal(answer[mask], table[labels[labels != -100]])
    for text, mean in zip(("KFC", "to go"), features.regions.text, strict=True):
        assert mean == pytest.approx(table[bytewise.encode(text, add_special_tokens=False)].mean(0), abs=1e-6)
    assert torch.equal(features.regions.patch_weights, batch["region_patch_weights"])
    for name in ("image_sample", "image_key", "patch_mask", "answer_mask", "answer_key"):
        assert torch.equal(getattr(features, name), batch[name])  # type: ignore[literal-required]
    assert torch.equal(features.regions.image, batch["region_image"])
    assert torch.equal(features.regions.text_key, batch["region_text_key"])
    assert torch.equal(features.regions.confidence, batch["region_confidence"])


def test_gradients_of_the_features_reach_projector_and_embedding_table(build_model: BuildModel, batch: Batch) -> None:
    model = build_model()
    table = model.backbone.get_input_embeddings().weight
    _, features, _ = model.embed(batch)

    (patches,) = torch.autograd.grad(features.patches.square().sum(), model.projector[0].weight, retain_graph=True)
    (answers,) = torch.autograd.grad(features.answer.square().sum(), table, retain_graph=True)
    (texts,) = torch.autograd.grad(features.regions.text.square().sum(), table)

    assert patches.any()
    assert answers[batch["labels"][batch["labels"] != -100]].any(dim=1).all()
    assert sorted(torch.nonzero(texts.any(dim=1)).flatten().tolist()) == sorted(set(batch["region_ids"].tolist()))


class TowerWithClass(nn.Module):
    """Answers the place of each token in all its 16 numbers; the class token is -1."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Answer `[N, 17, 16]` whatever the pixels are."""
        return torch.arange(-1.0, 16.0)[None, :, None].expand(len(pixels), 17, 16)


def test_a_class_token_is_seen_by_the_backbone_and_by_no_loss(encoder: Encoder, ask: Ask) -> None:
    spec = evolve(encoder.tower, class_token=True)
    seeing = evolve(encoder, tower=spec)
    backbone = LlamaForCausalLM(LlamaConfig(**{**SMALL, "hidden_size": 16}))
    model = Model(TowerWithClass(), nn.Identity(), backbone, spec)
    batch = Collator(spec)([seeing(ask()), seeing(ask("no"))])

    embeddings, features, _ = model.embed(batch)

    seen = embeddings.flatten(0, 1)[batch["image_slots"]].view(2, 17, 16)[..., 0]
    assert seen.tolist() == [list(range(-1, 16))] * 2
    assert features.patches[..., 0].tolist() == [list(range(16))] * 2


def test_pixels_are_normalised_as_the_tower_declares(encoder: Encoder, batch: Batch) -> None:
    spec = evolve(encoder.tower, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    model = Model(nn.Identity(), nn.Identity(), LlamaForCausalLM(LlamaConfig(**SMALL)), spec)

    normalised = model.encode_images(batch["pixels"])

    pixels = batch["pixels"].numpy() / 255
    expected = (pixels - np.reshape(spec.mean, (3, 1, 1))) / np.reshape(spec.std, (3, 1, 1))
    assert normalised.dtype == torch.float32
    assert normalised.numpy() == pytest.approx(expected, abs=1e-5)


def test_a_backbone_of_less_precision_gets_embeddings_of_its_own(build_model: BuildModel, batch: Batch) -> None:
    model = build_model(LlamaForCausalLM(LlamaConfig(**SMALL)).to(torch.bfloat16))

    embeddings, features, _ = model.embed(batch)
    logits, _ = model(batch)

    of_the_backbone = (embeddings, features.patches, features.answer, features.regions.text, logits)
    assert {tensor.dtype for tensor in of_the_backbone} == {torch.bfloat16}
    assert features.regions.patch_weights.dtype == torch.bfloat16


# -- what a forward calls


@pytest.mark.parametrize("kept", [[0, 1, 2], [0, 2], [1], [0]], ids=["mixed", "images", "text", "one"])
def test_tower_projector_and_embedding_are_called_once_whatever_the_batch_holds(
    kept: list[int], build_model: BuildModel, encoder: Encoder, samples: list[Sample]
) -> None:
    model = build_model()
    batch = Collator(encoder.tower)([encoder(samples[at]) for at in kept])

    with (
        calls_of(model.vision_tower) as towers,
        calls_of(model.projector) as projectors,
        calls_of(model.backbone.get_input_embeddings()) as lookups,
        calls_of(model.backbone.get_output_embeddings()) as heads,
    ):
        model(batch)

    assert [len(calls) for calls in (towers, projectors, lookups, heads)] == [1, 1, 1, 1]
    assert lookups[0][0] == (batch["ids"].numel() + len(batch["region_ids"]),)


def test_text_alone_has_a_finite_loss_and_a_gradient_of_zero_for_projector_and_tower(
    build_model: BuildModel, encoder: Encoder, samples: list[Sample]
) -> None:
    model = build_model()
    batch = Collator(encoder.tower)([encoder(samples[1])])

    loss = language_loss(model, batch)
    loss.backward()

    assert torch.isfinite(loss)
    for part in (model.projector, model.vision_tower):
        gradients = [parameter.grad for parameter in part.parameters()]
        assert all(gradient is not None for gradient in gradients)
        assert not any(gradient.any() for gradient in gradients if gradient is not None)
    assert model.backbone.get_input_embeddings().weight.grad.any()


def test_a_dummy_image_changes_nothing_even_if_the_tower_answers_no_number(
    build_model: BuildModel, encoder: Encoder, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_model()
    batch = Collator(encoder.tower)([encoder(samples[1])])
    monkeypatch.setattr(model.projector, "forward", lambda features: features @ torch.full((16, 32), float("nan")))

    logits, features = model(batch)

    assert torch.isfinite(logits).all()
    assert features[0].patches.shape == (0, 16, 32)


# -- hidden layers


LAYERS = [0, 1, 2, -1, -2]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_loss_sees_the_states_of_its_layer(
    layer: int, build_model: BuildModel, batch: Batch, bytewise: PreTrainedTokenizerBase
) -> None:
    """Those of the answers where they stand, and of each region's text read by itself."""
    model = build_model().eval()

    with torch.no_grad():
        _, by_layer = model(batch, LAYERS)
        embeddings, *_ = model.embed(batch)
        answers = hidden(model, embeddings, batch["attention_mask"])[layer]
        texts = [
            hidden(model, model.backbone.get_input_embeddings()(torch.tensor([ids])))[layer][0].mean(dim=0)
            for ids in (bytewise.encode(text, add_special_tokens=False) for text in ("KFC", "to go"))
        ]

    features = by_layer[layer]
    for found, slots, mask in zip(features.answer, batch["answer_slots"], batch["answer_mask"], strict=True):
        assert found[mask] == pytest.approx(answers.flatten(0, 1)[slots[mask]], abs=1e-5)
    assert features.regions.text == pytest.approx(torch.stack(texts), abs=1e-5)
    assert torch.equal(features.patches, by_layer[0].patches)
    assert torch.equal(features.answer_key, batch["answer_key"])
    if layer not in {0, -2 - 1}:
        assert not torch.allclose(features.regions.text, by_layer[0].regions.text, atol=0.01)


def hidden(model: Model, embeddings: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
    """Give the states of all layers, by a call of the language model itself."""
    output = model.backbone(inputs_embeds=embeddings, attention_mask=mask, output_hidden_states=True)
    return output.hidden_states  # type: ignore[no-any-return]


def test_without_a_wish_there_is_layer_0_alone(build_model: BuildModel, batch: Batch) -> None:
    assert list(build_model()(batch)[1]) == [0]
    assert sorted(build_model()(batch, [-1, 0, -1])[1]) == [-1, 0]


@pytest.mark.parametrize(
    ("layers", "regions", "calls"), [([], 2, 1), ([0], 0, 1), ([1], 2, 2), ([-1], 0, 2), ([1, -1, 0], 0, 2)]
)
def test_the_language_model_is_called_as_often_with_regions_as_without(  # noqa: PLR0913, PLR0917 - fixtures
    layers: list[int], regions: int, calls: int, build_model: BuildModel, encoder: Encoder, ask: Ask
) -> None:
    model = build_model()
    kept = tuple(Region("KFC", CORNERS) for _ in range(regions))
    batch = Collator(encoder.tower)([encoder(ask(regions=kept, size=(40, 30) if regions else None))])

    with calls_of(model.backbone.get_output_embeddings()) as heads:
        _, by_layer = model(batch, layers)
    for each in by_layer.values():
        each.zero().backward(retain_graph=True)

    assert len(heads) == calls
    assert all(each.regions.text.shape == (regions, 32) for each in by_layer.values())
    assert all(parameter.grad is not None for name, parameter in model.named_parameters() if ".layers.0." in name) == (
        calls == 2
    )


def test_gradients_of_hidden_states_reach_the_language_model(build_model: BuildModel, batch: Batch) -> None:
    model = build_model()
    _, by_layer = model(batch, [1])
    weight = model.backbone.model.layers[0].mlp.down_proj.weight

    for side in (by_layer[1].answer, by_layer[1].regions.text):
        (gradient,) = torch.autograd.grad(side.square().sum(), weight, retain_graph=True)
        assert gradient.any()


def test_what_goes_on_to_the_language_model_can_be_watched(build_model: BuildModel, batch: Batch) -> None:
    model = build_model().eval()
    seen: list[Tensor] = []

    def watch(tensor: Tensor) -> Tensor:
        seen.append(tensor)
        return 2 * tensor

    with torch.no_grad():
        watched, features, _ = model.embed(batch, watch)
        plain, unwatched, _ = model.embed(batch)

    assert torch.equal(watched, 2 * plain)
    assert torch.equal(features.patches, unwatched.patches)
    assert torch.equal(features.answer, unwatched.answer)
    assert [tensor.shape for tensor in seen] == [(batch["ids"].numel(), 32), (2, 16, 32)]


# -- parts that learn


def test_frozen_parts_evaluate_while_the_others_train(build_model: BuildModel) -> None:
    model = build_model()
    model.vision_tower.requires_grad_(requires_grad=False)

    assert model.train() is model
    assert model.training
    assert not any(module.training for module in model.vision_tower.modules())
    assert all(module.training for module in (*model.projector.modules(), *model.backbone.modules()))

    model.eval()
    assert not any(module.training for module in model.modules())

    model.vision_tower.requires_grad_()
    model.backbone.requires_grad_(requires_grad=False)
    model.train()
    assert model.vision_tower.training
    assert not any(module.training for module in model.backbone.modules())


def test_frozen_layers_that_recompute_are_told_that_they_train_and_what_is_inside_them_is_not(
    build_model: BuildModel,
) -> None:
    model = build_model()
    model.backbone.requires_grad_(requires_grad=False)
    enable = getattr(model.backbone, "activation_checkpointing_enable", None)  # its newer name
    (enable or model.backbone.gradient_checkpointing_enable)({"use_reentrant": False})
    layers = set(model.backbone.model.layers)

    model.train()
    told = {module for module in model.backbone.modules() if module.training}

    assert layers <= told
    assert all(getattr(module, "gradient_checkpointing", False) for module in told)
    assert not any(module.training for module in model.eval().modules())


def test_a_part_of_which_some_learns_trains(build_model: BuildModel) -> None:
    model = build_model()
    model.vision_tower.requires_grad_(requires_grad=False)
    next(model.vision_tower.parameters()).requires_grad_()

    assert model.train().vision_tower.training


def test_running_statistics_of_a_frozen_tower_stay(build_model: BuildModel, batch: Batch) -> None:
    model = build_model()
    before = {name: tensor.clone() for name, tensor in model.vision_tower.named_buffers()}
    model.vision_tower.requires_grad_(requires_grad=False)

    model.train()(batch)
    frozen = {name: tensor.clone() for name, tensor in model.vision_tower.named_buffers()}
    model.vision_tower.requires_grad_()
    model.train()(batch)

    assert any("running" in name for name in before)
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in before.items())
    assert any(not torch.equal(tensor, frozen[name]) for name, tensor in model.vision_tower.named_buffers())


def test_a_frozen_tower_keeps_no_graph_and_a_learning_one_does(build_model: BuildModel, batch: Batch) -> None:
    model = build_model()

    with calls_of(model.vision_tower) as calls:
        model.embed(batch)
        model.vision_tower.requires_grad_(requires_grad=False)
        model.embed(batch)
        model.vision_tower.requires_grad_()
        with torch.no_grad():
            model.embed(batch)

    assert [answer.requires_grad for _, answer in calls] == [True, False, False]


def test_a_frozen_tower_lets_the_projector_learn(build_model: BuildModel, batch: Batch) -> None:
    model = build_model()
    model.vision_tower.requires_grad_(requires_grad=False)

    language_loss(model.train(), batch).backward()

    assert all(parameter.grad is None for parameter in model.vision_tower.parameters())
    assert all(parameter.grad.any() for parameter in model.projector.parameters())


def test_a_model_is_saved_as_its_three_parts_and_nothing_else(build_model: BuildModel) -> None:
    state = build_model().state_dict()

    assert {name.partition(".")[0] for name in state} == {"vision_tower", "projector", "backbone"}


def test_the_colours_are_not_rounded_with_the_model(build_model: BuildModel, batch: Batch) -> None:
    model = build_model().to(torch.bfloat16)
    seen: list[Tensor] = []
    model.vision_tower.register_forward_pre_hook(lambda _, given: seen.append(given[0]))

    model.encode_images(batch["pixels"])

    mean, std = (torch.tensor(colour).view(1, 3, 1, 1) for colour in (model.tower.mean, model.tower.std))
    assert torch.equal(seen[0], ((batch["pixels"] - 255 * mean) / (255 * std)).to(torch.bfloat16))
    assert not dict(model.named_buffers(recurse=False))


# -- answers


def test_an_answer_is_what_is_likeliest_one_token_after_the_other(
    build_model: BuildModel, encoder: Encoder, ask: Ask
) -> None:
    model = build_model().eval()
    batch = Collator(encoder.tower, left=True)([encoder.prompt(ask())])

    with calls_of(model.projector) as calls:
        ids = model.generate(batch, 5, eos_token_id=None)

    embeddings, *_ = model.embed(batch)
    expected: list[int] = []
    for _ in range(5):
        best = model.backbone(inputs_embeds=embeddings, use_cache=False).logits[:, -1].argmax(dim=-1)
        expected.append(int(best))
        embeddings = torch.cat([embeddings, model.backbone.get_input_embeddings()(best)[:, None]], dim=1)
    assert ids.tolist() == [expected]
    assert [projected.requires_grad for _, projected in calls] == [False]  # no graph is kept


def test_options_of_generation_are_handed_on(build_model: BuildModel, encoder: Encoder, ask: Ask) -> None:
    model = build_model().eval()
    batch = Collator(encoder.tower, left=True)([encoder.prompt(ask())])
    [first, *others] = model.generate(batch, 4, eos_token_id=None)[0].tolist()

    assert len(others) == 3
    assert model.generate(batch, 4, eos_token_id=[first]).tolist() == [[first]]

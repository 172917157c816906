"""Estimates, against figures worked out by hand."""

from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from remgcl import BackboneSpec, Layout, PatchGrid, TowerSpec
from remgcl.core.planning.estimate import (
    A100,
    USED,
    Length,
    Memory,
    Sizes,
    activations_of,
    flops_of,
    lengths_of,
    make_estimate,
    memory_of,
)
from remgcl.core.recipe.recipe import Stage
from remgcl.plugins.datasets import Synthetic
from remgcl.plugins.templates.plain import Plain

if TYPE_CHECKING:
    from remgcl.core.recipe.recipe import PartName

VICUNA = BackboneSpec(width=4096, vocabulary=32_000, layers=32)
"""Vicuna-7B: its layers hold 4 x 4096^2 + 3 x 4096 x 11008 parameters each, and two norms."""

LAYERS = 32 * (4 * 4096**2 + 3 * 4096 * 11_008 + 2 * 4096) + 4096
TABLE = 32_000 * 4096
SEVEN = LAYERS + 2 * TABLE

FULL: "tuple[PartName, ...]" = ("projector", "backbone")


def tower(patches: int) -> TowerSpec:
    """Declare a square tower of CLIP-L."""
    grid = PatchGrid(rows=patches, columns=patches, patch=(14, 14))
    grey = (0.5, 0.5, 0.5)
    return TowerSpec(width=1024, size=(224, 224), grid=grid, class_token=False, mean=grey, std=grey)


SIZES = Sizes(
    parameters={"vision_tower": 303_000_000, "projector": 20_979_712, "backbone": SEVEN},
    learnable={"vision_tower": 303_000_000, "projector": 20_979_712, "backbone": SEVEN},
    tower=tower(16),
    backbone=VICUNA,
)
ALONE = evolve(
    SIZES,
    parameters={"vision_tower": 0, "projector": 0, "backbone": SEVEN},
    learnable={"vision_tower": 0, "projector": 0, "backbone": SEVEN},
)


@pytest.fixture
def stage() -> Stage:
    """A stage in bfloat16 that recomputes activations, 16 samples at once."""
    return Stage(
        data=Synthetic(samples=10),
        template=Plain(),
        train=FULL,
        precision="bfloat16",
        gradient_checkpointing=True,
        batch_size=16,
    )


def test_vicuna_has_as_many_parameters_as_is_said() -> None:
    assert pytest.approx(6.74e9, rel=1e-3) == SEVEN


def test_the_layers_of_a_7b_model_take_32_tflop_for_800_tokens() -> None:
    """6 operations a parameter and token, and 12 x 32 x 4096 x 800^2 for attention: 31.1 + 1.0."""
    flops = flops_of(Length(image=800, text=0), ALONE, FULL)
    assert flops == 6 * LAYERS * 800 + 12 * 32 * 4096 * 800**2
    assert flops == pytest.approx(32.1e12, rel=1e-3)


def test_logits_are_made_at_the_text_alone() -> None:
    image, mixed = (flops_of(Length(image=800 - text, text=text), ALONE, FULL) for text in (0, 200))
    assert mixed - image == 6 * TABLE * 200


def test_a_frozen_backbone_costs_forward_and_the_way_back_through_it() -> None:
    length = Length(image=256, text=100)
    attention = 12 * 32 * 4096 * 356**2
    learning, frozen = (flops_of(length, ALONE, train) - attention for train in (FULL, ("projector",)))
    assert frozen == pytest.approx(learning * 4 / 6)


@pytest.mark.parametrize(
    ("train", "projector", "tower"),
    [(("projector",), 4, 2), (("backbone",), 2, 2), (("projector", "vision_tower"), 6, 6), (("vision_tower",), 4, 6)],
)
def test_projector_and_tower_cost_what_the_gradient_needs(
    train: "tuple[PartName, ...]", projector: int, tower: int
) -> None:
    """A frozen projector is passed through where the tower learns."""
    length = Length(image=256, text=10)
    extra = flops_of(length, SIZES, train) - flops_of(length, ALONE, train)
    assert extra == pytest.approx((projector * 20_979_712 + tower * 303_000_000) * 256)


def test_a_table_that_is_input_and_output_is_counted_once() -> None:
    own = {**ALONE.parameters, "backbone": SEVEN - TABLE}
    tied = evolve(ALONE, backbone=evolve(VICUNA, tied=True), parameters=own, learnable=own)
    length = Length(image=256, text=100)
    assert flops_of(length, tied, FULL) == flops_of(length, ALONE, FULL)


def test_words_become_tokens_and_long_texts_are_cut() -> None:
    assert lengths_of([75, -75, 3000, 0], 256, 2048) == [
        Length(image=256, text=100),
        Length(image=0, text=100),
        Length(image=256, text=1792),
        Length(image=0, text=0),
    ]


def test_a_7b_model_takes_16_bytes_a_parameter_where_nothing_is_sharded(stage: Stage) -> None:
    """Rajbhandari et al. 2020, section 3.1: 2 + 2 + 12."""
    stage = evolve(stage, train=("vision_tower", "projector", "backbone"))
    every = sum(SIZES.parameters.values())
    gpu, host = memory_of(stage, SIZES, Layout(casts=True), Length(image=0, text=0))
    assert gpu == Memory(weights=2 * every, gradients=2 * every, optimizer=12 * every)
    assert host == Memory()


def test_what_is_frozen_takes_its_weights_alone(stage: Stage) -> None:
    gpu, _ = memory_of(evolve(stage, train=("projector",)), SIZES, Layout(casts=True), Length(image=0, text=0))
    every, learning = sum(SIZES.parameters.values()), 20_979_712
    assert gpu == Memory(weights=2 * every, gradients=2 * learning, optimizer=12 * learning)


@pytest.mark.parametrize(
    ("sharded", "bytes_each"),
    [
        ((), (2.0, 2.0, 12.0)),
        (("optimizer",), (2.0, 2.0, 3.0)),
        (("optimizer", "gradients"), (2.0, 0.5, 3.0)),
        (("optimizer", "gradients", "weights"), (0.5, 0.5, 3.0)),
    ],
    ids=["zero-0", "zero-1", "zero-2", "zero-3"],
)
def test_what_is_sharded_is_divided_by_the_processes(
    sharded: tuple[str, ...], bytes_each: tuple[float, float, float], stage: Stage
) -> None:
    sizes = evolve(
        ALONE, parameters={**ALONE.parameters, "backbone": 1000}, learnable={**ALONE.parameters, "backbone": 1000}
    )
    gpu, _ = memory_of(stage, sizes, Layout(processes=4, sharded=sharded, casts=True), Length(image=0, text=0))
    assert (gpu.weights, gpu.gradients, gpu.optimizer) == tuple(1000 * size for size in bytes_each)


def test_what_is_offloaded_is_in_the_memory_of_the_cpus(stage: Stage) -> None:
    """The published runs: ZeRO-3 with all of it on the CPUs; a billion weights are gathered at once."""
    kinds = ("optimizer", "gradients", "weights")
    layout = Layout(processes=3, sharded=kinds, offloaded=kinds, gathered=10**9, casts=True)
    gpu, host = memory_of(stage, ALONE, layout, Length(image=0, text=0))
    assert gpu == Memory(weights=2e9)
    assert host.total == pytest.approx(16 * SEVEN)


def test_what_is_offloaded_but_not_sharded_is_there_once_a_process(stage: Stage) -> None:
    layout = Layout(processes=3, offloaded=("optimizer",), casts=True)
    _, host = memory_of(stage, ALONE, layout, Length(image=0, text=0))
    assert host == Memory(optimizer=3 * 12 * SEVEN)


def test_weights_that_stay_in_float32_are_copied_for_the_forward_pass(stage: Stage) -> None:
    gpu, _ = memory_of(stage, ALONE, Layout(), Length(image=0, text=0))
    assert gpu == Memory(weights=(4 + 2) * SEVEN, gradients=4 * SEVEN, optimizer=8 * SEVEN)
    gpu, _ = memory_of(evolve(stage, precision="float32"), ALONE, Layout(), Length(image=0, text=0))
    assert gpu == Memory(weights=4 * SEVEN, gradients=4 * SEVEN, optimizer=8 * SEVEN)


def test_activations_are_those_of_all_layers_or_with_recomputation_of_one(stage: Stage) -> None:
    """16 samples of 800 tokens and width 4096 in 16 bits: 34 or 2 bytes each, 32 layers."""
    length, states = Length(image=800, text=0), 16 * 800 * 4096
    assert activations_of(16, length, VICUNA, stage) == states * (2 * 32 + 34)
    kept = evolve(stage, gradient_checkpointing=False)
    assert activations_of(16, length, VICUNA, kept) == states * 34 * 32
    assert activations_of(16, length, VICUNA, evolve(kept, precision="float32")) == 2 * states * 34 * 32


def test_logits_take_their_gradients_and_a_copy_in_float32(stage: Stage) -> None:
    image, text = (
        activations_of(2, length, VICUNA, stage) for length in (Length(image=9, text=0), Length(image=0, text=9))
    )
    assert text - image == 2 * 9 * 32_000 * 12


def test_a_stage_is_estimated_over_all_its_samples(stage: Stage) -> None:
    """LLaVA-1.5's pace: 2.3 samples a second on an A100."""
    lengths = [Length(image=576, text=124), Length(image=576, text=324)]
    made = make_estimate(
        evolve(stage, epochs=2.0),
        sizes=ALONE,
        layout=Layout(processes=4, casts=True),
        lengths=lengths,
        samples=9000,
        steps=100,
        saved=("backbone",),
    )
    assert (made.image_tokens, made.text_tokens) == (576, 224)
    assert made.flops == sum(flops_of(length, ALONE, FULL) for length in lengths) / 2
    assert made.total == made.flops * 18_000
    assert made.hours(4, 100.0) == pytest.approx(made.total / 4e14 / 3600)
    assert pytest.approx(2.3, rel=0.05) == A100 * USED * 1e12 / 32.1e12


@pytest.mark.parametrize(
    ("changes", "steps", "checkpoints"),
    [
        ({"epochs": 6.0, "save_total_limit": 6}, 100, 6),
        ({"epochs": 6.0, "save_total_limit": 1}, 100, 2),
        ({"epochs": 0.5}, 100, 1),
        ({"save_steps": 50_000, "save_total_limit": 6}, 1250, 0),
        ({"save_steps": 10, "save_total_limit": 3}, 35, 3),
        ({"save_steps": 10, "save_total_limit": 3}, 45, 4),
    ],
)
def test_disk_is_needed_for_the_checkpoints_that_are_kept_and_one_more(
    changes: dict[str, float], steps: int, checkpoints: int, stage: Stage
) -> None:
    """A checkpoint of a 7B model is 12 bytes a parameter, and 2 for the engine's weights."""
    made = {
        casts: make_estimate(
            evolve(stage, **changes),
            sizes=ALONE,
            layout=Layout(casts=casts),
            lengths=[Length(image=1, text=1)],
            samples=1,
            steps=steps,
            saved=("backbone",),
        )
        for casts in (True, False)
    }
    assert {each.checkpoints for each in made.values()} == {checkpoints}
    assert (made[True].checkpoint, made[True].model) == (14 * SEVEN, 2 * SEVEN)
    assert (made[False].checkpoint, made[False].model) == (12 * SEVEN, 4 * SEVEN)


def test_of_lora_only_the_adapters_are_learned(stage: Stage) -> None:
    adapters = evolve(SIZES, learnable={**SIZES.learnable, "backbone": 160_000_000})
    length = Length(image=576, text=224)
    full, frozen = flops_of(length, SIZES, FULL), flops_of(length, SIZES, ["projector"])
    assert frozen < flops_of(length, adapters, FULL) < frozen + 0.05 * (full - frozen)
    assert (
        memory_of(stage, adapters, Layout(), length)[0].optimizer
        < memory_of(stage, SIZES, Layout(), length)[0].optimizer / 10
    )

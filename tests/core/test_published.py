"""The shipped recipe of the published run computes what the published code computes."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import torch

from remgcl import Batch, Engine
from remgcl.core.data.collate import Collator
from remgcl.core.data.encode import Encoder
from remgcl.core.model.objective import Objective
from remgcl.core.recipe.recipe import LANGUAGE, Stage

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RECIPE = Path(__file__).parents[2] / "recipes" / "remgcl-published.toml"

OURS = {"model.mm_projector.": "projector.", "model.": "backbone.model.", "lm_head.": "backbone.lm_head."}
"""Beginnings of the published names of parameters, and of ours."""


@pytest.fixture(scope="module")
def stage(engine: Engine) -> Stage:
    """The third stage of the recipe."""
    return engine.read(RECIPE).stages["remgcl"]


@pytest.fixture(scope="module")
def batch(engine: Engine, stage: Stage, published: SimpleNamespace, llama: "PreTrainedTokenizerBase") -> Batch:
    """The published samples, as the recipe's stage encodes them."""
    text_filter = engine.read(RECIPE).text_filter
    assert text_filter is not None
    encoder = Encoder(
        tokenizer=llama,
        template=stage.template,
        tower=published.spec,
        aspect=stage.image_aspect,
        max_length=stage.max_length,
        keep=text_filter.build(llama),
        max_regions=stage.max_regions,
        region_grid=stage.region_grid,
    )
    return Collator(published.spec)([encoder(sample) for sample in published.samples])


def places(mask: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Look up the supervised tokens `[B, A]` in a mask over all tokens `[B, T]`, False on padding."""
    slots = batch["answer_slots"]
    present = torch.arange(slots.shape[1]) < (batch["labels"] != -100).sum(dim=1, keepdim=True)
    return present & mask.flatten()[slots]


@pytest.fixture(scope="module")
def computed(stage: Stage, published: SimpleNamespace, batch: Batch) -> SimpleNamespace:
    """The total, terms and gradients, where the text filter misses the stop words that the published one missed."""
    used = torch.from_numpy(published.arrays["stop_mask_used"])
    total, terms = Objective(published.model, stage.losses)({**batch, "answer_mask": places(used, batch)})
    total.backward()
    parameters = dict(published.model.named_parameters())
    gradients = {name: parameter.grad for name, parameter in parameters.items() if parameter.grad is not None}
    published.model.zero_grad(set_to_none=True)
    return SimpleNamespace(total=total.item(), terms=terms, gradients=gradients)


def test_the_text_filter_keeps_exactly_the_tokens_that_no_stop_word_covers(
    published: SimpleNamespace, batch: Batch
) -> None:
    exact = torch.from_numpy(published.arrays["stop_mask_exact"])
    assert batch["answer_mask"].any()
    assert batch["answer_mask"].equal(places(exact, batch))


@pytest.mark.parametrize(
    ("term", "recorded"), [(LANGUAGE, "lm_loss"), ("global", "global_loss"), ("refined-local", "local_loss")]
)
def test_each_term_is_the_published_one(
    term: str, recorded: str, computed: SimpleNamespace, published: SimpleNamespace
) -> None:
    assert computed.terms.keys() == {LANGUAGE, "global", "refined-local"}
    assert computed.terms[term]["loss"].item() == pytest.approx(published.record[recorded], abs=1e-5)


def test_the_total_is_the_published_one(computed: SimpleNamespace, published: SimpleNamespace) -> None:
    assert computed.total == pytest.approx(published.record["total_loss"], abs=1e-5)


def test_the_norm_of_each_gradient_is_the_published_one(computed: SimpleNamespace, published: SimpleNamespace) -> None:
    recorded = published.record["grad_norms"]
    norms = {}
    for name in recorded:
        before = next(prefix for prefix in OURS if name.startswith(prefix))
        norms[name] = computed.gradients[OURS[before] + name.removeprefix(before)].norm().item()

    assert len(norms) == 20
    assert norms == pytest.approx(recorded, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "rows", "recorded"),
    [
        ("projector.0.weight", slice(None), "grad_projector0"),
        ("backbone.model.embed_tokens.weight", slice(None, 2000, 13), "grad_embed_rows"),
    ],
)
def test_the_gradient_of_projector_and_embeddings_is_the_published_one(
    name: str, rows: slice, recorded: str, computed: SimpleNamespace, published: SimpleNamespace
) -> None:
    """Both are where the contrastive losses reach; `grad_norms` cannot tell a direction."""
    theirs = torch.from_numpy(published.arrays[recorded])
    assert theirs.norm() > 0
    assert (computed.gradients[name][rows] - theirs).norm() <= 1e-4 * theirs.norm()


def test_the_published_grid_is_the_wrong_one_where_the_tower_has_another(
    stage: Stage, published: SimpleNamespace, batch: Batch, golden: Path
) -> None:
    """Where the tower has 14 x 14 patches, the published constant is right by chance."""
    assert stage.region_grid == 14
    true = Collator(published.spec)([published.encoder(sample) for sample in published.samples])
    assert batch["region_patch_weights"].equal(true["region_patch_weights"]) == (golden.name == "p16")

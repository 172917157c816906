"""The objective: published losses and gradients, parts of a batch, and what a loss may answer."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attrs import frozen
from torch import Tensor
from torch.nn import functional

from remgcl import Batch, Features, Grid, Loss, PluginError, Region, Sample
from remgcl.core.collate import Collator
from remgcl.core.encode import Encoder
from remgcl.core.geometry import patch_weights, place
from remgcl.core.model import Model
from remgcl.core.objective import Objective
from remgcl.core.recipe import LANGUAGE
from remgcl.plugins.losses.global_ import Global
from remgcl.plugins.losses.refined_local import RefinedLocal

CORNERS = ((0.0, 0.0), (20.0, 0.0), (20.0, 15.0), (0.0, 15.0))

Ask = Callable[..., Sample]
BuildModel = Callable[..., Model]


@frozen(kw_only=True)
class Says(Loss):
    """Answers what a function makes of the features."""

    answer: Callable[[Features], object]

    def __call__(self, features: Features) -> Tensor:
        """Answer it, be it a tensor or not."""
        return self.answer(features)  # type: ignore[return-value]


def gradients(model: Model) -> dict[str, Tensor]:
    """Take the gradients of a model, and leave none behind."""
    taken = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad(set_to_none=True)
    return taken


# -- as published


def as_published(published: SimpleNamespace) -> Batch:
    """Give the published batch the two things that the published code did otherwise.

    Its text filter missed some stop words, and its grid was always 14 x 14,
    whatever the tower's: patch i of that grid is taken for patch i of the
    tower's flat sequence.
    """
    batch: Batch = dict(published.batch)  # type: ignore[assignment]
    used = torch.from_numpy(published.arrays["stop_mask_used"])
    places = torch.arange(batch["answer_slots"].shape[1])
    present = places < (batch["labels"] != -100).sum(dim=1, keepdim=True)
    batch["answer_mask"] = present & used.flatten()[batch["answer_slots"]]
    square = Grid(rows=14, columns=14, patch=(16, 16))
    weights = np.concatenate(
        [
            patch_weights(
                [region.quad for region in sample.regions], place(sample.image.size, (224, 224), "pad"), square
            )
            for sample in published.samples
        ]
    )
    batch["region_patch_weights"] = torch.zeros_like(batch["region_patch_weights"])
    batch["region_patch_weights"][:, : 14 * 14] = torch.from_numpy(weights)
    return batch


@pytest.fixture(scope="module")
def computed(published: SimpleNamespace) -> SimpleNamespace:
    """The total, terms and gradients of the published batch."""
    settings = {"objective": "alignment", "temperature": 0.5, "weight": 0.01}
    losses = {"global": Global(**settings, padding=True), "local": RefinedLocal(**settings)}
    total, terms = Objective(published.model, losses)(as_published(published))
    total.backward()
    return SimpleNamespace(total=total.detach(), terms=terms, gradients=gradients(published.model))


@pytest.mark.parametrize(
    ("term", "recorded"), [(LANGUAGE, "lm_loss"), ("global", "global_loss"), ("local", "local_loss")]
)
def test_each_published_loss_is_reproduced(
    term: str, recorded: str, computed: SimpleNamespace, published: SimpleNamespace
) -> None:
    assert computed.terms[term].item() == pytest.approx(published.record[recorded], abs=1e-5)


def test_the_published_total_is_reproduced(computed: SimpleNamespace, published: SimpleNamespace) -> None:
    assert computed.total.item() == pytest.approx(published.record["total_loss"], abs=1e-5)


def test_the_norm_of_each_published_gradient_is_reproduced(
    computed: SimpleNamespace, published: SimpleNamespace
) -> None:
    ours = {"model.mm_projector.": "projector.", "model.": "backbone.model.", "lm_head.": "backbone.lm_head."}
    norms = {}
    for name in published.record["grad_norms"]:
        before = next(prefix for prefix in ours if name.startswith(prefix))
        norms[name] = computed.gradients[ours[before] + name.removeprefix(before)].norm().item()

    assert len(norms) == 20
    assert norms == pytest.approx(published.record["grad_norms"], rel=1e-4)


@pytest.mark.parametrize(
    ("name", "rows", "recorded"),
    [
        ("projector.0.weight", slice(None), "grad_projector0"),
        ("backbone.model.embed_tokens.weight", slice(0, 2000, 13), "grad_embed_rows"),
    ],
)
def test_the_published_gradients_are_reproduced(
    name: str, rows: slice, recorded: str, computed: SimpleNamespace, published: SimpleNamespace
) -> None:
    expected = published.arrays[recorded]
    found = computed.gradients[name][rows].numpy()

    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_a_frozen_tower_has_no_gradient(computed: SimpleNamespace) -> None:
    assert {name.partition(".")[0] for name in computed.gradients} == {"projector", "backbone"}


# -- the language loss


@pytest.fixture
def samples(ask: Ask) -> list[Sample]:
    """Four samples with an image and two regions each, and answers of unlike length."""
    answers = ["no", "yes", "a rather long answer", "that depends on it"]
    return [ask(answer, regions=(Region(answer, CORNERS), Region("KFC", CORNERS))) for answer in answers]


@pytest.fixture
def batch(samples: list[Sample], encoder: Encoder) -> Batch:
    """All four."""
    return Collator(encoder.tower)([encoder(sample) for sample in samples])


def test_the_language_loss_is_the_mean_over_the_supervised_tokens(build_model: BuildModel, batch: Batch) -> None:
    model = build_model().eval()

    total, terms = Objective(model, {})(batch)

    embeddings, _ = model.embed(batch)
    logits = model.backbone(inputs_embeds=embeddings, attention_mask=batch["attention_mask"]).logits
    expected = functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten())
    assert total.item() == pytest.approx(expected.item(), abs=1e-5)
    assert set(terms) == {LANGUAGE}
    assert terms[LANGUAGE].item() == pytest.approx(expected.item(), abs=1e-5)


def test_every_token_weighs_the_same_whatever_sample_it_is_of(
    build_model: BuildModel, batch: Batch, samples: list[Sample], encoder: Encoder
) -> None:
    objective = Objective(build_model().eval(), {})
    alone = [Collator(encoder.tower)([encoder(sample)]) for sample in samples]

    counts = np.array([len(each["label_slots"]) for each in alone])
    losses = np.array([objective(each)[0].item() for each in alone])

    assert objective(batch)[0].item() == pytest.approx((losses * counts).sum() / counts.sum(), abs=1e-5)
    assert objective(batch)[0].item() != pytest.approx(losses.mean(), abs=1e-3)


def test_a_batch_without_supervised_tokens_has_a_language_loss_of_zero(
    build_model: BuildModel, samples: list[Sample], encoder: Encoder
) -> None:
    model = build_model()
    batch = Collator(encoder.tower)([encoder.prompt(sample) for sample in samples])

    total, terms = Objective(model, {"global": Global(), "local": RefinedLocal()})(batch)
    total.backward()

    assert terms[LANGUAGE].item() == 0
    assert torch.isfinite(total)
    assert all(torch.isfinite(gradient).all() for gradient in gradients(model).values())


def test_text_alone_leaves_every_loss_finite_and_every_gradient_there(
    build_model: BuildModel, ask: Ask, encoder: Encoder
) -> None:
    model = build_model()
    batch = Collator(encoder.tower)([encoder(ask(size=None)), encoder(ask("no", size=None))])

    total, terms = Objective(model, {"global": Global(), "local": RefinedLocal()})(batch)
    total.backward()

    assert terms["global"].item() == terms["local"].item() == 0
    taken = gradients(model)
    assert taken.keys() == dict(model.named_parameters()).keys()
    assert not any(taken[name].any() for name in taken if not name.startswith("backbone."))


def test_logits_of_less_precision_are_summed_in_float32(build_model: BuildModel, batch: Batch) -> None:
    total, terms = Objective(build_model().to(torch.bfloat16).eval(), {})(batch)

    assert total.dtype == terms[LANGUAGE].dtype == torch.float32


# -- terms and their sum


def test_the_total_is_the_language_loss_and_the_weighted_losses(build_model: BuildModel, batch: Batch) -> None:
    losses = {
        "patches": Says(weight=0.5, answer=lambda features: features.patches.square().mean()),
        "answers": Says(weight=0.0, answer=lambda features: features.answer.square().mean()),
        "texts": Says(answer=lambda features: features.regions.text.square().mean()),
    }
    model = build_model().eval()

    total, terms = Objective(model, losses)(batch)

    with torch.no_grad():
        _, features = model(batch)
    assert list(terms) == [LANGUAGE, "patches", "answers", "texts"]
    for name, loss in losses.items():
        assert terms[name].item() == pytest.approx(float(loss(features)), rel=1e-5)  # without its weight
    expected = terms[LANGUAGE] + 0.5 * terms["patches"] + terms["texts"]
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)


def test_terms_are_for_the_record_and_the_total_is_for_learning(build_model: BuildModel, batch: Batch) -> None:
    total, terms = Objective(build_model(), {"global": Global()})(batch)

    assert total.requires_grad
    assert total.shape == ()
    assert not any(term.requires_grad for term in terms.values())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda features: features.patches.mean(dim=(1, 2)), r"\(4,\)"),
        (lambda features: features.answer[:1, :1, :1], r"\(1, 1, 1\)"),
        (lambda _: None, "None"),
        (lambda _: 0.5, r"0\.5"),
    ],
    ids=["vector", "matrix", "None", "float"],
)
def test_a_loss_that_answers_no_scalar_is_refused_by_name(
    answer: Callable[[Features], object], told: str, build_model: BuildModel, batch: Batch
) -> None:
    losses: Mapping[str, Loss] = {"fine": Global(), "mine": Says(answer=answer)}

    with pytest.raises(PluginError, match=rf"^loss 'mine' \(Says\): must answer a scalar; it answers {told}$"):
        Objective(build_model(), losses)(batch)


def test_the_losses_are_those_of_the_beginning(build_model: BuildModel, batch: Batch) -> None:
    losses: dict[str, Loss] = {"global": Global()}
    objective = Objective(build_model(), losses)
    losses.clear()

    assert list(objective(batch)[1]) == [LANGUAGE, "global"]


def test_the_parameters_of_an_objective_are_those_of_its_model(build_model: BuildModel) -> None:
    model = build_model()

    names = {name.removeprefix("model.") for name, _ in Objective(model, {"global": Global()}).named_parameters()}

    assert names == dict(model.named_parameters()).keys()


# -- parts of a batch


@pytest.mark.parametrize("cuts", [[0, 2, 4], [0, 1, 2, 3, 4]], ids=["halves", "quarters"])
def test_gradients_added_up_over_parts_are_those_of_the_whole_batch(
    cuts: list[int], build_model: BuildModel, batch: Batch, samples: list[Sample], encoder: Encoder
) -> None:
    """The parts hold unlike numbers of tokens; of images and regions, as many each."""
    losses = {
        "global": Global(objective="alignment", weight=0.3),
        "local": RefinedLocal(objective="alignment", weight=0.7),
    }
    objective = Objective(build_model().eval(), losses)
    parts = [
        Collator(encoder.tower)([encoder(sample) for sample in samples[start:end]]) for start, end in pairwise(cuts)
    ]
    tokens = torch.tensor(sum(len(part["label_slots"]) for part in parts))
    assert len({len(part["label_slots"]) for part in parts}) > 1

    total, terms = objective(batch)
    total.backward()
    whole = gradients(objective.model)
    totals, of_parts = [], []
    for part in parts:
        total_of_part, terms_of_part = objective(part, tokens=tokens, parts=len(parts))
        total_of_part.backward()
        totals.append(total_of_part.item())
        of_parts.append(terms_of_part)
    added = gradients(objective.model)

    assert sum(totals) == pytest.approx(total.item(), rel=1e-5)
    assert added.keys() == whole.keys()
    for name, gradient in whole.items():
        assert (added[name] - gradient).abs().max() <= 1e-5 * max(1, gradient.abs().max())
    for name in losses:  # undivided: each is the mean of its part
        assert np.mean([each[name].item() for each in of_parts]) == pytest.approx(terms[name].item(), rel=1e-4)
    for part, each in zip(parts, of_parts, strict=True):  # per token of its own
        assert each[LANGUAGE].item() == pytest.approx(objective(part)[1][LANGUAGE].item(), rel=1e-5)


def test_the_tokens_of_all_parts_may_be_a_number_of_any_kind(build_model: BuildModel, batch: Batch) -> None:
    objective = Objective(build_model().eval(), {})
    count = len(batch["label_slots"])

    totals = [
        objective(batch, tokens=tokens)[0].item() for tokens in (None, torch.tensor(count), torch.tensor(2.0 * count))
    ]

    assert totals[0] == pytest.approx(totals[1])
    assert totals[0] == pytest.approx(2 * totals[2])

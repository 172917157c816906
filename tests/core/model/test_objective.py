"""The objective: published losses and gradients, parts of a batch, and what a loss may answer."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attrs import evolve, frozen
from torch import Tensor, nn
from torch.nn import functional

from remgcl import Batch, Features, GradientNorms, Loss, PluginError, Region, Sample
from remgcl.core.data.collate import Collator
from remgcl.core.data.encode import Encoder, Example
from remgcl.core.model.model import Model
from remgcl.core.model.objective import Objective
from remgcl.core.recipe.recipe import LANGUAGE
from remgcl.plugins.losses.global_ import Global
from remgcl.plugins.losses.refined_local import RefinedLocal
from remgcl.plugins.losses.sliding_window import SlidingWindow

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
    whatever the tower's.
    """
    encoder = evolve(published.encoder, region_grid=14)
    batch = Collator(published.spec)([encoder(sample) for sample in published.samples])
    used = torch.from_numpy(published.arrays["stop_mask_used"])
    places = torch.arange(batch["answer_slots"].shape[1])
    present = places < (batch["labels"] != -100).sum(dim=1, keepdim=True)
    batch["answer_mask"] = present & used.flatten()[batch["answer_slots"]]
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
    assert computed.terms[term]["loss"].item() == pytest.approx(published.record[recorded], abs=1e-5)


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

    embeddings, *_ = model.embed(batch)
    logits = model.backbone(inputs_embeds=embeddings, attention_mask=batch["attention_mask"]).logits
    expected = functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten())
    assert total.item() == pytest.approx(expected.item(), abs=1e-5)
    assert set(terms) == {LANGUAGE}
    assert terms[LANGUAGE]["loss"].item() == pytest.approx(expected.item(), abs=1e-5)


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

    assert terms[LANGUAGE]["loss"].item() == 0
    assert torch.isfinite(total)
    assert all(torch.isfinite(gradient).all() for gradient in gradients(model).values())


def test_text_alone_leaves_every_loss_finite_and_every_gradient_there(
    build_model: BuildModel, ask: Ask, encoder: Encoder
) -> None:
    model = build_model()
    batch = Collator(encoder.tower)([encoder(ask(size=None)), encoder(ask("no", size=None))])

    total, terms = Objective(model, {"global": Global(), "local": RefinedLocal()})(batch)
    total.backward()

    assert terms["global"]["loss"].item() == terms["local"]["loss"].item() == 0
    taken = gradients(model)
    assert taken.keys() == dict(model.named_parameters()).keys()
    assert not any(taken[name].any() for name in taken if not name.startswith("backbone."))


def test_logits_of_less_precision_are_summed_in_float32(build_model: BuildModel, batch: Batch) -> None:
    total, terms = Objective(build_model().to(torch.bfloat16).eval(), {})(batch)

    assert total.dtype == terms[LANGUAGE]["loss"].dtype == torch.float32


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
        assert terms[name]["loss"].item() == pytest.approx(float(loss(features[0])), rel=1e-5)  # without its weight
    expected = terms[LANGUAGE]["loss"] + 0.5 * terms["patches"]["loss"] + terms["texts"]["loss"]
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)


def test_terms_are_for_the_record_and_the_total_is_for_learning(build_model: BuildModel, batch: Batch) -> None:
    total, terms = Objective(build_model(), {"global": Global(learned=True)})(batch, diagnose=True)

    assert total.requires_grad
    assert total.shape == ()
    assert not any(told.requires_grad for term in terms.values() for told in term.values())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda features: features.patches.mean(dim=(1, 2)), r"a tensor of shape \(4,\): take its mean\(\) or its sum"),
        (lambda features: features.answer[:1, :1, :1], r"a tensor of shape \(1, 1, 1\): take its mean\(\) or its sum"),
        (lambda _: None, "None: compute it with torch, and return it$"),
        (lambda _: 0.5, r"0\.5: compute it with torch, and return it$"),
        (lambda features: features.patches.argmax(), r"a tensor of torch\.int64: compute it in floating point$"),
        (
            lambda features: features.patches.mean().detach(),
            "a tensor detached from the autograd graph: leave out detach",
        ),
    ],
    ids=["vector", "matrix", "None", "float", "integer", "detached"],
)
def test_a_loss_that_answers_no_scalar_with_a_graph_is_told_by_stage_name_and_class_with_the_fix(
    answer: Callable[[Features], object], told: str, build_model: BuildModel, batch: Batch
) -> None:
    losses: Mapping[str, Loss] = {"fine": Global(), "mine": Says(answer=answer)}

    due = (
        rf"^stage 'tune': loss 'mine': {__name__}\.Says: must return a scalar tensor attached to the autograd graph; "
        rf"it returned {told}"
    )
    with pytest.raises(PluginError, match=due):
        Objective(build_model(), losses, "tune")(batch)


def test_a_loss_of_one_side_needs_no_graph_where_that_side_is_frozen(build_model: BuildModel, batch: Batch) -> None:
    model = build_model()
    model.projector.requires_grad_(requires_grad=False)
    model.vision_tower.requires_grad_(requires_grad=False)
    losses = {"images": Says(answer=lambda features: features.patches.mean())}

    assert Objective(model, losses)(batch)[0].requires_grad


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


LOSSES: dict[str, Loss] = {
    "global": Global(objective="alignment", weight=0.3, text_layer=-1),
    "window": SlidingWindow(objective="alignment", weight=0.2),
    "local": RefinedLocal(objective="alignment", weight=0.7),
    "sure": RefinedLocal(objective="alignment", weight=0.4, confidence="certainty", text_layer=1),
}


@pytest.fixture
def uneven(ask: Ask, encoder: Encoder) -> list[Example]:
    """Eight samples: without image, without region, with one and with many; answers of unlike length."""
    counts = [2, None, 0, 5, None, None, 1, 0]
    answers = ["no", "yes", "a rather long answer", "that depends", "why", "nine of them", "so", "here and there"]
    return [
        encoder(
            ask(answer, regions=tuple(Region(answer[at:], CORNERS, 0.3 + 0.1 * at) for at in range(count or 0)))
            if count is not None
            else ask(answer, size=None)
        )
        for answer, count in zip(answers, counts, strict=True)
    ]


def totals_of(objective: Objective, parts: list[Batch]) -> dict[str, Tensor]:
    """Add up what the terms count in some batches."""
    counts = [objective.counts(part) for part in parts]
    return {name: torch.stack([count[name] for count in counts]).sum() for name in counts[0]}


@pytest.mark.parametrize("cuts", [[0, 4, 8], [0, 2, 4, 6, 8], [0, 1, 3, 8]], ids=["halves", "quarters", "uneven"])
def test_gradients_added_up_over_parts_are_those_of_the_whole_batch(
    cuts: list[int], build_model: BuildModel, uneven: list[Example], encoder: Encoder
) -> None:
    """Also where a part holds no image or no region: each pair and each token weighs the same."""
    objective = Objective(build_model().eval(), LOSSES)
    collate = Collator(encoder.tower)
    parts = [collate(uneven[start:end]) for start, end in pairwise(cuts)]
    assert len({len(part["region_image"]) for part in parts}) > 1

    total, terms = objective(collate(uneven))
    total.backward()
    whole = gradients(objective.model)
    totals = totals_of(objective, parts)
    of_parts, added_up = [], 0.0
    for part in parts:
        total_of_part, terms_of_part = objective(part, totals)
        total_of_part.backward()
        added_up += total_of_part.item()
        of_parts.append(terms_of_part)
    added = gradients(objective.model)

    assert added_up == pytest.approx(total.item(), rel=1e-5)
    assert added.keys() == whole.keys()
    for name, gradient in whole.items():
        assert (added[name] - gradient).abs().max() <= 1e-5 * gradient.abs().max(), name
    for name, term in terms.items():  # what is told of each part is a mean over what it counts
        counts = np.array([each[name]["count"].item() for each in of_parts])
        means = np.array([each[name]["loss"].item() for each in of_parts])
        assert counts.sum() == pytest.approx(term["count"].item())
        assert (counts * means).sum() / counts.sum() == pytest.approx(term["loss"].item(), rel=1e-5)


def test_terms_count_tokens_pairs_and_batches_without_running_the_model(
    build_model: BuildModel, uneven: list[Example], encoder: Encoder
) -> None:
    model = build_model()
    model.register_forward_pre_hook(lambda *_: pytest.fail("the model was run"))
    batch = Collator(encoder.tower)(uneven)
    losses = {**LOSSES, "mine": Says(answer=lambda features: features.zero())}

    counts = {name: count.item() for name, count in Objective(model, losses).counts(batch).items()}

    certainties = sum(0.3 + 0.1 * at for regions in (2, 5, 1) for at in range(regions))
    assert counts == pytest.approx(
        {LANGUAGE: len(batch["label_slots"]), "global": 5, "window": 5, "local": 8, "sure": certainties, "mine": 1}
    )


def test_a_loss_that_counts_nothing_itself_is_a_mean_over_batches(
    build_model: BuildModel, batch: Batch, samples: list[Sample], encoder: Encoder
) -> None:
    objective = Objective(build_model().eval(), {"mine": Says(answer=lambda features: features.zero() + 3)})
    parts = [batch, Collator(encoder.tower)([encoder(samples[0])])]
    totals = totals_of(objective, parts)

    added = sum((objective(part, totals)[0] for part in parts), torch.zeros(()))
    language = sum((Objective(objective.model, {})(part, totals)[0] for part in parts), torch.zeros(()))

    assert (added - language).item() == pytest.approx(3)


# -- weights, diagnoses, and what losses learn


def test_the_weight_of_a_loss_follows_its_schedule(build_model: BuildModel, batch: Batch) -> None:
    loss = Says(weight=0.5, schedule="linear", warmup_ratio=0.2, answer=lambda features: features.zero() + 1)
    objective = Objective(build_model().eval(), {"mine": loss})

    for progress, weight in ((None, 0.5), (0.0, 0.0), (0.1, 0.25), (0.2, 0.5), (0.6, 0.25), (1.0, 0.0)):
        total, terms = objective(batch, progress=progress)
        assert (total - terms[LANGUAGE]["loss"]).item() == pytest.approx(weight, abs=1e-5)
        assert terms["mine"]["loss"] == 1


def test_losses_diagnose_themselves_only_when_asked(build_model: BuildModel, batch: Batch) -> None:
    objective = Objective(build_model(), {"global": Global(), "learned": Global(learned=True, objective="sigmoid")})

    _, plain = objective(batch)
    _, told = objective(batch, diagnose=True)

    assert {frozenset(term) for term in plain.values()} == {frozenset({"loss", "count"})}
    diagnosis = {"pairs", "retrieval@1", "cosine", "negative_cosine"}
    assert set(told["global"]) == {"loss", "count"} | diagnosis
    assert set(told["learned"]) == {"loss", "count", "temperature", "bias"} | diagnosis
    assert set(told[LANGUAGE]) == {"loss", "count"}


def test_what_a_loss_learns_is_a_parameter_of_the_objective(build_model: BuildModel, batch: Batch) -> None:
    losses = {
        "plain": Global(),
        "local": RefinedLocal(learned=True),
        "of-signs": Global(learned=True, objective="sigmoid"),
    }
    objective = Objective(build_model(), losses)

    objective(batch)[0].backward()

    names = {"local.log_temperature", "of-signs.log_temperature", "of-signs.bias"}
    assert dict(objective.learned.named_parameters()).keys() == names
    assert all(parameter.grad for parameter in objective.learned.parameters())


def test_a_loss_is_told_the_width_of_the_language_model(build_model: BuildModel, batch: Batch) -> None:
    @frozen(kw_only=True)
    class Head(Loss):
        """Learns a head on the mean patch."""

        def __call__(self, features: Features) -> Tensor:
            """Fail: what is built is called instead."""
            raise AssertionError(features)

        def build(self, width: int) -> nn.Module:
            """Make the head."""
            return HeadModule(width)

    objective = Objective(build_model(), {"head": Head()})

    total, terms = objective(batch, diagnose=True)  # without a diagnosis of its own it gives the loss's: none
    total.backward()

    assert objective.learned["head"].head.weight.grad.shape == (1, 32)
    assert set(terms["head"]) == {"loss", "count"}


class HeadModule(nn.Module):
    """A linear head."""

    def __init__(self, width: int) -> None:
        """Make it."""
        super().__init__()
        self.head = nn.Linear(width, 1)

    def forward(self, features: Features) -> Tensor:
        """Answer its mean."""
        return self.head(features.patches).mean()  # type: ignore[no-any-return]


# -- shares of the gradient


SHARED: dict[str, Loss] = {
    "global": Global(weight=0.3),
    "local": RefinedLocal(objective="alignment", weight=0.7),
    "deep": RefinedLocal(objective="alignment", weight=0.2, text_layer=-1),
}


def measured(objective: Objective, parts: list[Batch]) -> GradientNorms:
    """Measure the gradients of some batches, added up."""
    norms = GradientNorms()
    for part in parts:
        objective(part, totals_of(objective, parts), norms=norms)[0].backward()
    return norms


def test_a_share_is_that_of_the_gradient_of_the_weighted_term(build_model: BuildModel, batch: Batch) -> None:
    model = build_model().eval()
    sides: dict[str, list[Tensor]] = {LANGUAGE: []}

    def keep(tensor: Tensor) -> Tensor:
        sides[LANGUAGE].append(tensor.view_as(tensor))
        return sides[LANGUAGE][-1]

    shares = measured(Objective(model, SHARED), [batch]).shares()

    logits, features = model(batch, [-1], keep)
    values = {LANGUAGE: functional.cross_entropy(logits, batch["labels"].flatten()[batch["label_slots"]])}
    for name, loss in SHARED.items():
        seen = features[loss.text_layer]
        sides[name] = [seen.patches, seen.answer, seen.regions.text]
        values[name] = loss.weight * loss(seen)
    norms = {
        name: torch.cat([gradient.flatten() for gradient in torch.autograd.grad(value, sides[name], retain_graph=True)])
        .norm()
        .item()
        for name, value in values.items()
    }
    assert len(sides[LANGUAGE]) == 2
    assert all(norm > 0 for norm in norms.values())
    assert shares == pytest.approx({name: norm / sum(norms.values()) for name, norm in norms.items()}, rel=1e-4)
    assert sum(shares.values()) == pytest.approx(1)


def test_measuring_changes_no_gradient(build_model: BuildModel, batch: Batch) -> None:
    objective = Objective(build_model().eval(), SHARED)
    objective(batch)[0].backward()
    plain = gradients(objective.model)

    measured(objective, [batch])

    watched = gradients(objective.model)
    assert watched.keys() == plain.keys()
    assert all(torch.equal(watched[name], gradient) for name, gradient in plain.items())


def test_what_is_measured_adds_up_over_the_parts_of_a_batch(
    build_model: BuildModel, uneven: list[Example], encoder: Encoder
) -> None:
    objective = Objective(build_model().eval(), LOSSES)
    collate = Collator(encoder.tower)

    whole = measured(objective, [collate(uneven)])
    parts = measured(objective, [collate(uneven[start:end]) for start, end in pairwise([0, 1, 6, 8])])

    assert parts.squares.keys() == whole.squares.keys() == {LANGUAGE, *LOSSES}
    for name, square in whole.squares.items():
        assert parts.squares[name].item() == pytest.approx(square.item(), rel=1e-4)


def test_frozen_sides_count_nothing(build_model: BuildModel, batch: Batch) -> None:
    model = build_model().eval()
    losses = {"images": Says(answer=lambda features: features.patches.sum() + features.answer.sum())}
    model.backbone.requires_grad_(requires_grad=False)
    of_images = measured(Objective(model, losses), [batch]).squares["images"]
    model.backbone.requires_grad_()
    model.projector.requires_grad_(requires_grad=False)
    model.vision_tower.requires_grad_(requires_grad=False)
    of_texts = measured(Objective(model, losses), [batch]).squares["images"]

    assert of_images.item() == pytest.approx(4 * 16 * 32)  # each number of a patch has a gradient of 1
    assert of_texts.item() == pytest.approx(batch["answer_slots"].numel() * 32)


def test_before_a_backward_pass_there_is_no_share() -> None:
    assert GradientNorms().shares() == {}

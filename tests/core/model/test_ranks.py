"""Two ranks: what they hold together is as if one held it all."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from attrs import evolve
from torch import Tensor, nn

from remgcl import Batch, Features, Loss, Region, Regions, Sample, gather
from remgcl.core.data.collate import Collator
from remgcl.core.data.encode import Encoder, Example
from remgcl.core.model.objective import Objective
from remgcl.plugins.losses.contrastive import ContrastiveLoss
from remgcl.plugins.losses.global_ import Global
from remgcl.plugins.losses.refined_local import RefinedLocal
from remgcl.plugins.losses.sliding_window import SlidingWindow
from remgcl.testing.features import joined

Ask = Callable[..., Sample]
Answers = Sequence[Mapping[str, Mapping[str, Mapping[str, Any]]]]

RANK = Path(__file__).parents[2] / "data" / "rank.py"
CORNERS = ((0.0, 0.0), (20.0, 0.0), (20.0, 15.0), (0.0, 15.0))
WAITING = {"_local_scalar_dense", "item", "nonzero", "masked_select", "unique_consecutive", "_unique2", "equal"}
"""Operations whose outcome the host must wait for."""

LOSSES: dict[str, ContrastiveLoss] = {
    f"{kind.__name__} {objective}": kind(objective=objective, bias=-1.0)
    for kind in (Global, SlidingWindow, RefinedLocal)
    for objective in ("alignment", "infonce", "sigmoid")
}
LOSSES |= {
    "RefinedLocal certainty": RefinedLocal(confidence="certainty"),
    "Global learned": Global(learned=True),
    "RefinedLocal learned": RefinedLocal(learned=True, objective="sigmoid", bias=-1.0),
}
HELD: dict[str, tuple[tuple[int, int, int, int], tuple[int, int, int, int]]] = {
    "unequal": ((3, 3, 5, 4), (2, 2, 3, 7)),
    "no region": ((3, 3, 5, 4), (2, 2, 5, 0)),
    "no image": ((3, 3, 5, 4), (0, 2, 4, 0)),
    "nothing": ((0, 0, 0, 0), (2, 2, 4, 3)),
    "nothing at all": ((0, 1, 0, 0), (0, 2, 0, 0)),
}
"""Images, samples, tokens of a sample and regions of each rank."""


def features(seed: int, images: int, samples: int, tokens: int, regions: int) -> Features:
    """Make random features; some keys are those of the other rank too."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def chosen(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) < 0.7

    def keys(count: int) -> Tensor:
        return torch.arange(count) + torch.arange(count).clamp(max=1) * 100 * seed  # the first is everywhere the same

    return Features(
        patches=normal(images, 6, 8),
        patch_mask=chosen(images, 6),
        grid=(2, 3),
        image_sample=torch.arange(images),
        image_key=keys(images) + seed,
        answer=normal(samples, tokens, 8),
        answer_mask=chosen(samples, tokens),
        answer_key=keys(samples),
        regions=Regions(
            image=torch.arange(regions) % max(images, 1),
            patch_weights=torch.rand(regions, 6, generator=generator).softmax(dim=1),
            text=normal(regions, 8),
            text_key=keys(regions),
            confidence=torch.rand(regions, generator=generator),
        ),
    )


GATHERED = (
    [torch.arange(6.0).view(2, 3), torch.tensor([True, False]), torch.tensor([-(2**62) - 1, 7]), torch.ones(2, 2, 1)],
    [torch.arange(3.0).view(3, 1) + 9, torch.tensor([True, True, False]), torch.tensor([1, 2, 3]), torch.ones(3, 1, 4)],
)
NONE = ([torch.arange(6.0).view(2, 3)], [torch.zeros(0, 3)])

TERMS: dict[str, Loss] = {
    "global": Global(objective="alignment", weight=0.3),
    "window": SlidingWindow(objective="alignment", weight=0.2),
    "local": RefinedLocal(objective="alignment", weight=0.7, confidence="certainty"),
    "deep": RefinedLocal(objective="alignment", weight=0.4, text_layer=-1),
}
NEGATIVES: dict[str, Loss] = {
    "global": Global(weight=0.3, text_layer=1),
    "window": SlidingWindow(weight=0.2),
    "local": RefinedLocal(weight=0.7, learned=True),
}


@pytest.fixture(scope="module")
def examples(ask: Ask, encoder: Encoder) -> list[Example]:
    """Eight samples: without image, without region, with one and with many; answers of unlike length."""
    counts = [2, None, 0, 5, None, None, 1, 0]
    answers = ["no", "yes", "a rather long answer", "that depends", "why", "nine of them", "so", "here and there"]
    return [
        encoder(
            ask(answer, regions=tuple(Region(answer[at:], CORNERS, 0.3 + 0.1 * at) for at in range(count)))
            if count is not None
            else ask(answer, size=None)
        )
        for answer, count in zip(answers, counts, strict=True)
    ]


@pytest.fixture(scope="module")
def objectives() -> dict[str, Objective]:
    """The objectives, built as the ranks build them."""
    build = runpy.run_path(str(RANK))["build"]
    return {"alignment": build(TERMS), "negatives": build(NEGATIVES)}


@pytest.fixture(scope="module")
def answers(
    examples: list[Example],
    encoder: Encoder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Answers:
    """What each of two ranks computes; they are started once for all tests."""
    folder = tmp_path_factory.mktemp("ranks")

    def parts(*sizes: int) -> tuple[list[Batch], list[Batch]]:
        """Cut the examples into batches, the first half of them for the first rank."""
        cut = iter(examples)
        batches = [Collator(encoder.tower)([next(cut) for _ in range(size)]) for size in sizes]
        return batches[: len(sizes) // 2], batches[len(sizes) // 2 :]

    def both(each: object) -> tuple[object, object]:
        return each, each

    losses = {
        f"{name}, {case}": (both(loss), tuple(features(seed, *held) for seed, held in enumerate(held_by)))
        for name, loss in LOSSES.items()
        for case, held_by in HELD.items()
    }
    own = {
        f"own {name}": (both(evolve(LOSSES[name], across_ranks=False)), losses[f"{name}, unequal"][1])
        for name in ("Global infonce", "RefinedLocal sigmoid")
    }
    cuts = {"4 4": (4, 4), "2 2 2 2": (2, 2, 2, 2), "1 5 1 1": (1, 5, 1, 1), "1 1 1 1 1 1 1 1": (1,) * 8}
    asked = {
        "losses": losses | own,
        "gathers": {
            "rows": (GATHERED, (torch.tensor(1.0), torch.tensor(10.0))),
            "none": (NONE, (torch.tensor(1.0), torch.tensor(10.0))),
        },
        "objectives": {
            **{f"alignment {name}": (both(TERMS), parts(*sizes)) for name, sizes in cuts.items()},
            "negatives 4 4": (both(NEGATIVES), parts(4, 4)),
            "negatives 3 5": (both(NEGATIVES), parts(3, 5)),
            "negatives 2 6": (both(NEGATIVES), parts(2, 6)),
        },
    }
    torch.save(asked, folder / "asked.pt")
    ranks = [
        subprocess.Popen(  # noqa: S603 - this interpreter, our own script
            [sys.executable, str(RANK), str(folder)],
            env={**os.environ, "RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    for rank in ranks:
        told, _ = rank.communicate(timeout=300)
        assert rank.returncode == 0, told
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in (0, 1)]


# -- gathering


def test_without_other_ranks_tensors_are_as_they_are() -> None:
    tensors = GATHERED[0]
    found, own = gather(*tensors)
    assert all(one is other for one, other in zip(found, tensors, strict=True))
    assert (own.start, own.stop) == (0, 2)


def test_rows_of_all_ranks_are_joined_in_order_and_padded_with_zeros(answers: Answers) -> None:
    first, second = (answer["gathers"]["rows"] for answer in answers)
    for one, other in zip(first["joined"], second["joined"], strict=True):
        assert torch.equal(one, other)
    numbers, flags, keys, blocks = first["joined"]
    assert numbers.tolist() == [[0, 1, 2], [3, 4, 5], [9, 0, 0], [10, 0, 0], [11, 0, 0]]
    assert flags.dtype == torch.bool
    assert flags.tolist() == [True, False, True, True, False]
    assert keys.tolist() == [-(2**62) - 1, 7, 1, 2, 3]
    assert blocks.shape == (5, 2, 4)
    assert blocks.sum(dim=(1, 2)).tolist() == [2, 2, 4, 4, 4]
    assert (first["own"], second["own"]) == ((0, 2), (2, 5))


def test_a_rank_may_hold_no_row(answers: Answers) -> None:
    first, second = (answer["gathers"]["none"] for answer in answers)
    for each in (first, second):
        assert torch.equal(each["joined"][0], NONE[0][0])
    assert (first["own"], second["own"]) == ((0, 2), (2, 2))
    assert second["gradients"][0].shape == (0, 3)


@pytest.mark.parametrize("case", ["rows", "none"])
def test_each_row_gets_the_gradients_of_all_ranks_added_up(answers: Answers, case: str) -> None:
    """The ranks multiply by 1 and by 10."""
    for answer in answers:
        for gradient in answer["gathers"][case]["gradients"]:
            assert torch.equal(gradient, torch.full_like(gradient, 11.0))


# -- losses


def single(loss: Loss, made: Features) -> SimpleNamespace:
    """Compute a loss and its gradients where one rank holds everything."""
    leaves = [each.clone().requires_grad_() for each in (made.patches, made.answer, made.regions.text)]
    patches, answer, text = leaves
    made = evolve(made, patches=patches, answer=answer, regions=evolve(made.regions, text=text))
    module = loss.build(8)
    value = module(made)
    value.backward()  # type: ignore[no-untyped-call]
    learned = [each.grad for each in module.parameters()] if isinstance(module, nn.Module) else []
    return SimpleNamespace(value=value.item(), gradients=[leaf.grad for leaf in leaves], learned=learned)


@pytest.mark.parametrize("case", HELD)
@pytest.mark.parametrize("name", LOSSES)
def test_two_ranks_compute_what_one_with_all_pairs_computes(answers: Answers, name: str, case: str) -> None:
    made = [features(seed, *held) for seed, held in enumerate(HELD[case])]
    expected = single(LOSSES[name], joined(*made))
    found = [answer["losses"][f"{name}, {case}"] for answer in answers]

    assert (expected.value == 0) == (case == "nothing at all")
    for each in found:
        assert each["value"].item() == pytest.approx(expected.value, rel=1e-5, abs=1e-6)
        assert len(each["learned"]) == len(expected.learned)
        for one, other in zip(each["learned"], expected.learned, strict=True):
            assert one.item() == pytest.approx(other.item(), rel=1e-4, abs=1e-6)
    for side, whole in enumerate(expected.gradients):
        start = 0
        for each in found:
            gradient = each["gradients"][side]
            rows = whole[start : start + len(gradient)]
            if gradient.numel():
                own = rows[:, : gradient.shape[1]]
                assert (gradient - own).abs().max() <= 1e-5 * max(1, whole.abs().max())
            start += len(gradient)


@pytest.mark.parametrize("case", HELD)
@pytest.mark.parametrize("name", LOSSES)
def test_the_host_never_waits_for_its_accelerator_among_ranks(answers: Answers, name: str, case: str) -> None:
    first, second = (answer["losses"][f"{name}, {case}"]["operations"] for answer in answers)
    assert len(first) > 10
    assert not (first | second) & WAITING
    assert ("alignment" in name) == (not any("allgather" in operation for operation in first))


@pytest.mark.parametrize("name", ["Global infonce", "RefinedLocal sigmoid"])
def test_a_loss_that_stays_on_its_rank_sees_own_pairs_only(answers: Answers, name: str) -> None:
    made = [features(seed, *held) for seed, held in enumerate(HELD["unequal"])]
    counts = [LOSSES[name].count(each).item() for each in made]
    values = [single(LOSSES[name], each).value for each in made]
    expected = sum(count * value for count, value in zip(counts, values, strict=True)) / sum(counts)

    for answer in answers:
        told = answer["losses"][f"own {name}"]
        assert told["value"].item() == pytest.approx(expected, rel=1e-5)
        assert answer["losses"][f"{name}, unequal"]["value"].item() != pytest.approx(expected, rel=1e-2)
        assert not any("allgather" in operation for operation in told["operations"])


# -- the whole objective


def whole(objective: Objective, examples: list[Example], encoder: Encoder) -> tuple[float, dict[str, Tensor]]:
    """Give the total and the gradients of one batch on one rank."""
    objective.zero_grad()
    total, _ = objective(Collator(encoder.tower)(examples))
    total.backward()
    return total.item(), {name: each.grad for name, each in objective.named_parameters() if each.grad is not None}


@pytest.mark.parametrize(
    "cut",
    [
        "alignment 4 4",
        "alignment 2 2 2 2",
        "alignment 1 5 1 1",
        "alignment 1 1 1 1 1 1 1 1",
        "negatives 4 4",
        "negatives 3 5",
        "negatives 2 6",
    ],
)
def test_gradients_of_two_ranks_are_those_of_one_batch(
    answers: Answers, objectives: dict[str, Objective], examples: list[Example], encoder: Encoder, cut: str
) -> None:
    """Means over pairs however they are cut; losses with negatives where ranks cut them, not accumulation."""
    total, gradients = whole(objectives[cut.partition(" ")[0]], examples, encoder)

    for answer in answers:
        found = answer["objectives"][cut]
        assert found["value"].item() == pytest.approx(total, rel=1e-5)
        assert found["gradients"].keys() == gradients.keys()
        for name, gradient in gradients.items():
            assert (found["gradients"][name] - gradient).abs().max() <= 1e-5 * gradient.abs().max(), name

"""Features: what a loss may look at, and the zero that keeps the graph connected."""

import inspect
import re
import subprocess
import sys

import attrs
import pytest
import torch
from attrs.exceptions import FrozenInstanceError

from remgcl.core.features import Features, Regions


def features(images: int = 2, answers: int = 3, regions: int = 4, dtype: torch.dtype = torch.float32) -> Features:
    """Make random features of so many images, answer tokens and regions."""
    width, patches, samples = 5, 6, 2
    return Features(
        patches=torch.randn(images, patches, width, dtype=dtype, requires_grad=True),
        patch_mask=torch.ones(images, patches, dtype=torch.bool),
        grid=(2, 3),
        image_sample=torch.zeros(images, dtype=torch.int64),
        image_key=torch.arange(images),
        answer=torch.randn(samples, answers, width, dtype=dtype, requires_grad=True),
        answer_mask=torch.ones(samples, answers, dtype=torch.bool),
        answer_key=torch.arange(samples),
        regions=Regions(
            image=torch.zeros(regions, dtype=torch.int64),
            patch_weights=torch.full((regions, patches), 1 / patches),
            text=torch.randn(regions, width, dtype=dtype, requires_grad=True),
            text_key=torch.arange(regions),
            confidence=torch.ones(regions),
        ),
    )


def sides(made: Features) -> tuple[torch.Tensor, ...]:
    """Give the tensors that gradients flow to."""
    return made.patches, made.answer, made.regions.text


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("counts", [(2, 3, 4), (0, 3, 4), (2, 0, 4), (2, 3, 0), (0, 0, 0)])
def test_the_zero_reaches_every_side_with_a_gradient_of_zero_even_where_a_set_is_empty(
    counts: tuple[int, int, int], dtype: torch.dtype
) -> None:
    made = features(*counts, dtype=dtype)

    zero = made.zero()
    zero.backward()

    assert zero.shape == ()
    assert zero.dtype == torch.float32
    assert zero.item() == 0
    for side in sides(made):
        assert side.grad is not None
        assert side.grad.shape == side.shape
        assert not side.grad.any()


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 3e38])
def test_no_value_of_the_features_turns_the_zero_or_its_gradient_into_nan(value: float) -> None:
    made = features()
    for side in sides(made):
        side.data.fill_(value)

    zero = made.zero()
    zero.backward()

    assert zero.item() == 0
    assert not any(side.grad.any() for side in sides(made) if side.grad is not None)


def test_the_zero_changes_no_loss_and_no_gradient() -> None:
    made = features()

    (made.patches.sum() + made.zero()).backward()

    assert made.patches.grad is not None
    assert (made.patches.grad == 1).all()


@pytest.mark.parametrize("made", [features(), features().regions], ids=["features", "regions"])
def test_a_loss_cannot_change_what_it_looks_at(made: Features | Regions) -> None:
    for field in attrs.fields(type(made)):
        with pytest.raises(FrozenInstanceError):
            setattr(made, field.name, None)


@pytest.mark.parametrize("made", [features(), features().regions], ids=["features", "regions"])
def test_features_are_compared_as_objects(made: Features | Regions) -> None:
    """A comparison of tensors would be a tensor, and one of `bool` an error."""
    assert made == made  # noqa: PLR0124 - the comparison is the point
    assert made != attrs.evolve(made)


@pytest.mark.parametrize("kind", [Features, Regions])
def test_each_field_has_its_line_of_documentation_in_order(kind: type) -> None:
    documented = re.findall(r"^ {4}(\w+):", inspect.cleandoc(kind.__doc__ or ""), re.MULTILINE)

    assert documented == [field.name for field in attrs.fields(kind)]


def test_the_module_and_its_classes_need_no_torch() -> None:
    code = "import sys, remgcl.core.features; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter

    assert done.stdout.strip() == "False"

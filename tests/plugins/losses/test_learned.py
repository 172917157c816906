"""Temperature and bias that are learned."""

import math
from collections.abc import Callable

import pytest
import torch
from attrs import evolve

from remgcl import Features
from remgcl.plugins.losses.contrastive import ContrastiveLoss
from remgcl.plugins.losses.global_ import Global
from remgcl.plugins.losses.learned import COLDEST, Learned
from remgcl.plugins.losses.refined_local import RefinedLocal
from remgcl.plugins.losses.sliding_window import SlidingWindow

Make = Callable[..., Features]

KINDS = (Global, SlidingWindow, RefinedLocal)
LOSSES = [kind(objective=objective, learned=True) for kind in KINDS for objective in ("infonce", "sigmoid")]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: f"{type(loss).__name__}, {loss.objective}")


def built(loss: ContrastiveLoss) -> Learned:
    """Build what learns."""
    module = loss.build(8)
    assert isinstance(module, Learned)
    return module


@each_loss
def test_it_begins_as_the_loss_with_its_settings(features: Make, loss: ContrastiveLoss) -> None:
    made = features()
    assert built(loss)(made).item() == pytest.approx(loss(made).item(), rel=1e-5)


@each_loss
def test_the_temperature_is_learned_and_by_sigmoid_the_bias(features: Make, loss: ContrastiveLoss) -> None:
    module = built(loss)
    module(features()).backward()
    assert {name for name, _ in module.named_parameters()} == {
        "log_temperature",
        *(["bias"] if loss.objective == "sigmoid" else []),
    }
    assert all(parameter.grad for parameter in module.parameters())


@each_loss
def test_a_gradient_is_the_slope_of_the_loss(features: Make, loss: ContrastiveLoss) -> None:
    """Against the difference of two losses whose settings are not learned."""
    made = features()
    loss = evolve(loss, temperature=0.5, bias=-1.0)
    module = built(loss)
    module(made).backward()
    step = 1e-2
    for name, at in (("temperature", "log_temperature"), ("bias", "bias")):
        if hasattr(module, at):
            factor = (math.exp(-step), math.exp(step)) if name == "temperature" else (1 + step, 1 - step)
            low, high = (evolve(loss, **{name: getattr(loss, name) * each})(made).item() for each in factor)
            assert getattr(module, at).grad.item() == pytest.approx((high - low) / 2 / step, rel=0.02, abs=1e-3)


@each_loss
def test_what_cannot_be_compared_teaches_nothing(features: Make, loss: ContrastiveLoss) -> None:
    module = built(loss)
    value = module(features(image_sample=(), regions=()))
    value.backward()
    assert value == 0
    assert not any(parameter.grad for parameter in module.parameters())


@pytest.mark.parametrize("learned", [COLDEST / 100, 0.0])
def test_the_temperature_never_falls_below_the_coldest_and_can_rise_again(features: Make, learned: float) -> None:
    made = features()
    module = built(Global(learned=True))
    with torch.no_grad():
        module.log_temperature.copy_(torch.tensor(learned).log())
    value = module(made)
    value.backward()
    assert value.item() == pytest.approx(Global(temperature=COLDEST)(made).item(), rel=1e-4)
    assert module.temperature.item() == pytest.approx(COLDEST)
    assert module.log_temperature.grad is not None
    assert module.log_temperature.grad < 0  # pairs that are apart want it warmer
    torch.optim.SGD(module.parameters(), lr=0.1).step()
    assert module.temperature > COLDEST


def test_training_makes_the_temperature_fit(features: Make) -> None:
    """Sides that tell nothing of each other are best judged warmly."""
    made = features(image_sample=range(6), answers=[4] * 6)
    module = built(Global(learned=True, temperature=0.05))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    first = module(made).item()
    for _ in range(50):
        optimizer.zero_grad()
        value = module(made)
        value.backward()
        optimizer.step()
    assert module.temperature > 0.1
    assert value.item() < first


@each_loss
def test_what_was_learned_is_told_with_the_diagnosis(features: Make, loss: ContrastiveLoss) -> None:
    made = features()
    told = built(loss).diagnose(made)
    expected = {"temperature": 0.07} | ({"bias": -10.0} if loss.objective == "sigmoid" else {})
    assert {name: value.item() for name, value in told.items()} == pytest.approx(
        {**{name: value.item() for name, value in loss.diagnose(made).items()}, **expected}
    )


@pytest.mark.parametrize("kind", KINDS)
def test_alignment_learns_no_temperature(kind: type[ContrastiveLoss]) -> None:
    with pytest.raises(ValueError, match=r"^learned: alignment has no negatives, so its temperature would fall"):
        kind(objective="alignment", learned=True)

"""Parts tried out on next to nothing: what breaks its contract is told at once, by class, with the fix."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from attrs import evolve, field, frozen
from torch import Tensor, nn

from remgcl import Engine, FaultsError, Features, Job, Loss, PatchGrid, PluginError, Recipe, RunFolder, TowerSpec
from remgcl.core.model.probe import random_features, try_loss, try_tower
from remgcl.core.planning.plan import make_plan
from remgcl.plugins.losses.global_ import Global
from remgcl.plugins.losses.refined_local import RefinedLocal
from remgcl.plugins.losses.sliding_window import SlidingWindow
from remgcl.plugins.vision_towers.tiny import TinyTower

Read = Callable[..., Recipe]

SPEC = TinyTower(size=(32, 32), channels=(4, 8), strides=((4, 4), (4, 2))).spec()


@frozen(kw_only=True)
class Says(Loss):
    """Answers what a function makes of the features."""

    answer: Callable[[Features], object]

    def __call__(self, features: Features) -> Tensor:
        """Answer it, be it a tensor or not."""
        return self.answer(features)  # type: ignore[return-value]


@frozen(kw_only=True)
class Cut(TinyTower):
    """A tower that gives other features than it declares.

    Attributes:
        turn: What becomes of the features.
        breaks: What torch's meta device is said not to do.
    """

    turn: Callable[[Tensor], object] = field(default=lambda features: features)
    breaks: type[Exception] | None = None

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the net and turn its features."""
        net, turn, breaks = super().build(pretrained=pretrained), self.turn, self.breaks

        class Turned(nn.Module):
            """The net, and what becomes of its features."""

            def __init__(self) -> None:
                super().__init__()
                self.net = net

            def forward(self, pixels: Tensor) -> object:
                if breaks and pixels.device.type == "meta":
                    raise breaks("Cannot copy out of meta tensor")
                return turn(self.net(pixels))

        return Turned()


def test_random_features_are_finite_of_every_documented_shape_and_can_learn() -> None:
    features = random_features(SPEC, 16)
    patches = SPEC.grid.patches
    assert features.grid == (2, 4)
    assert features.patches.shape == (2, patches, 16)
    assert features.patch_mask.shape == (2, patches)
    assert features.answer.shape == (2, 6, 16)
    assert features.regions.text.shape == (2, 16)
    assert features.regions.patch_weights.sum(dim=1).tolist() == pytest.approx([1, 1])
    assert all(side.requires_grad for side in (features.patches, features.answer, features.regions.text))


@pytest.mark.parametrize(
    "loss",
    [
        *(kind(objective=objective) for kind in (Global, RefinedLocal) for objective in ("alignment", "sigmoid")),
        SlidingWindow(patches=1, tokens=1),
        RefinedLocal(learned=True),
        Says(answer=lambda features: features.zero()),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_losses_that_keep_their_contract_pass(loss: Loss) -> None:
    try_loss(loss, SPEC, 16)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda features: features.patches.mean(dim=(1, 2)), r"returned a tensor of shape \(2,\): take its mean"),
        (lambda _: None, "returned None: compute it with torch"),
        (lambda _: 0.5, r"returned 0\.5: compute it with torch"),
        (lambda features: features.patches.mean().item(), r"returned -?0\.\d+: compute it with torch"),
        (
            lambda features: features.patches.mean().detach(),
            "returned a tensor detached from the autograd graph: leave out detach",
        ),
        (
            lambda features: torch.tensor(float(features.grid[0])),
            "returned a tensor detached from the autograd graph: leave out detach",
        ),
        (lambda features: features.patches.mean() / 0 * 0, "returned nan: look for divisions by zero"),
        (lambda features: features.patches.abs().mean() / 0, "returned inf: look for divisions by zero"),
    ],
    ids=["vector", "None", "float", "item", "detached", "constant", "nan", "infinite"],
)
def test_a_loss_that_answers_something_else_is_told_with_the_fix(
    answer: Callable[[Features], object], told: str
) -> None:
    with pytest.raises(PluginError, match=rf"^{__name__}\.Says: must return a .*; it {told}"):
        try_loss(Says(answer=answer), SPEC, 16)


def test_trying_a_loss_out_leaves_the_random_numbers_as_they_were() -> None:
    before = torch.get_rng_state()
    try_loss(RefinedLocal(learned=True), SPEC, 16)
    assert torch.equal(torch.get_rng_state(), before)


TURNS: dict[str, tuple[Callable[[Tensor], object], str]] = {
    "one patch short": (lambda features: features[:, 1:], r"\(1, 7, 8\)"),
    "no batch": (lambda features: features[0], r"\(8, 8\)"),
    "as a map": (lambda features: features.unflatten(1, (2, 4)), r"\(1, 2, 4, 8\)"),
    "half as wide": (lambda features: features[..., :4], r"\(1, 8, 4\)"),
    "a pair": (lambda features: (features, None), "tuple"),
}

SHORT = r"\(1, 7, 8\)"

each_turn = pytest.mark.parametrize(("turn", "got"), TURNS.values(), ids=TURNS)


def due(got: str) -> str:
    """Word what is wrong with the features that were got."""
    return (
        rf"{__name__}\.Cut: spec declares 2 x 4 patches of width 8, which is \(1, 8, 8\) for one image; "
        rf"its module returned {got}: change grid, class_token or width of spec, or the module$"
    )


def cut(turn: Callable[[Tensor], object], breaks: type[Exception] | None = None) -> Cut:
    """Make such a tower."""
    return Cut(size=(32, 32), channels=(4, 8), strides=((4, 4), (4, 2)), turn=turn, breaks=breaks)


@each_turn
def test_a_tower_whose_features_do_not_fill_its_grid_is_told_with_both_numbers(
    turn: Callable[[Tensor], object], got: str
) -> None:
    with pytest.raises(PluginError, match=f"^{due(got)}"):
        try_tower(cut(turn), SPEC)


def test_a_class_token_is_counted() -> None:
    spec = evolve(SPEC, class_token=True)
    with pytest.raises(PluginError, match=r"2 x 4 patches and a class token of width 8, which is \(1, 9, 8\)"):
        try_tower(cut(lambda features: features), spec)
    try_tower(cut(lambda features: torch.cat([features[:, :1], features], dim=1)), spec)


def test_a_tower_that_keeps_its_word_passes() -> None:
    try_tower(TinyTower(), TinyTower().spec())


@pytest.mark.parametrize("breaks", [NotImplementedError, RuntimeError])
def test_a_tower_that_cannot_be_built_without_tensors_is_not_judged_before_it_is_built(
    breaks: type[Exception],
) -> None:
    try_tower(cut(lambda features: features[:, 1:], breaks), SPEC)


def test_a_mistake_inside_a_tower_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        try_tower(cut(lambda _: 1 / 0), SPEC)


def test_shapes_that_do_not_fit_inside_a_tower_are_no_limit_of_meta() -> None:
    with pytest.raises(RuntimeError, match="reduction dim"):
        try_tower(cut(lambda features: features @ torch.zeros(features.shape[-1] + 1, 4)), SPEC)


# -- in a plan and in a run


def with_loss(recipe: Recipe, answer: Callable[[Features], object]) -> Recipe:
    """Give both stages of a recipe a loss from elsewhere."""
    losses: dict[str, Loss] = {"mine": Says(answer=answer)}
    return evolve(recipe, stages={name: evolve(stage, losses=losses) for name, stage in recipe.stages.items()})


@pytest.mark.parametrize("counted", [True, False])
def test_a_plan_tries_every_loss_of_a_third_party(read: Read, counted: bool) -> None:  # noqa: FBT001
    recipe = with_loss(read(), lambda _: None)
    with pytest.raises(FaultsError) as raised:
        make_plan(recipe, "a.toml", counted=counted)
    assert [str(fault) for fault in raised.value.faults] == [
        f"a.toml: stages.{stage}.losses.mine: {__name__}.Says: must return a scalar tensor attached to the autograd "
        "graph; it returned None: compute it with torch, and return it"
        for stage in ("pretrain", "tune")
    ]


def test_a_mistake_inside_a_loss_keeps_its_traceback(read: Read) -> None:
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        make_plan(with_loss(read(), lambda _: 1 / 0), "a.toml")


def test_a_plan_tries_the_tower_of_a_third_party(read: Read) -> None:
    recipe = evolve(read(), vision_tower=cut(lambda features: features[:, 1:]))
    with pytest.raises(FaultsError, match=rf"^a\.toml: vision_tower: {due(SHORT)}"):
        make_plan(recipe, "a.toml")


@pytest.mark.parametrize("breaks", [None, RuntimeError])
def test_a_model_is_not_built_with_a_tower_that_does_not_fill_its_grid(
    read: Read, tmp_path: Path, breaks: type[Exception] | None
) -> None:
    recipe = evolve(read(), vision_tower=cut(lambda features: features[:, 1:], breaks))
    with pytest.raises(PluginError, match=f"^{due(SHORT)}"):
        job(recipe, tmp_path).build_model()


def job(recipe: Recipe, folder: Path) -> Job:
    """Make the job of the first stage."""
    return Job(recipe=recipe, name="pretrain", run=RunFolder(folder), start=None, inputs={}, console=None)  # type: ignore[arg-type]


def test_looking_at_a_black_image_changes_nothing(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No running statistic, no mode and no random number."""
    from remgcl.core.model import probe

    built = job(read(), tmp_path).build_model()
    after = torch.rand(1)
    monkeypatch.setattr(probe, "try_model", lambda *_: None)
    plain = job(read(), tmp_path).build_model()
    assert torch.equal(torch.rand(1), after)
    state = plain.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in built.state_dict().items())
    assert [module.training for module in built.modules()] == [module.training for module in plain.modules()]


def test_a_spec_need_not_be_square() -> None:
    spec = TowerSpec(
        width=8,
        size=(32, 32),
        grid=PatchGrid(rows=1, columns=8, patch=(32, 4)),
        class_token=False,
        mean=(0, 0, 0),
        std=(1, 1, 1),
    )
    try_tower(cut(lambda features: features), spec)


def test_an_engine_tries_what_its_own_plugins_bring(plugin: Callable[..., Any], file: Path, engine: Engine) -> None:
    from importlib.metadata import entry_points

    assert engine
    built_in = {point.name: point.load() for point in entry_points(group="remgcl") if point.name.startswith("remgcl.")}
    own = Engine.of({**built_in, "mine": plugin(losses={"silent": Silent})})
    with pytest.raises(
        FaultsError, match=r"stages\.tune\.losses\.silent: .*\.Silent: must return .*; it returned None"
    ):
        own.check(own.read(file, ["stages.tune.losses.silent={}"]), str(file))


@frozen(kw_only=True)
class Silent(Loss):
    """Answers nothing."""

    def __call__(self, features: Features) -> Any:  # noqa: ANN401 - it answers nothing
        """Forget to return."""
        features.zero()

"""Parts tried out on next to nothing, before a training rests on them.

A loss is called on random features, a vision tower on one black image, so
that a breach of its contract is reported by name and early.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve
from torch import Tensor

from remgcl.core.errors import PluginError
from remgcl.core.features import Features, Regions
from remgcl.core.model.ranks import gatherings
from remgcl.core.registry.culprit import named

if TYPE_CHECKING:
    from remgcl.core.model.model import Model
    from remgcl.core.parts import Backbone, Loss, Projector, TowerSpec, VisionTower

SAMPLES, TOKENS = 2, 6
"""Samples of the random features, each with an image and a text region, and tokens of each answer."""


def try_loss(loss: Loss, tower: TowerSpec, width: int) -> None:
    """Call a loss once, on random features of a tower's grid.

    Args:
        loss: The loss.
        tower: What the vision tower declares.
        width: Width D of the language model.

    Raises:
        PluginError: It answers something else than a finite scalar with a graph.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        features = random_features(tower, width)
        term = verified(loss.build(width)(features), loss, features)
        count = loss.count(features)
        with torch.no_grad():
            loss.diagnose(features)
    if not (count.isfinite() and count >= 0):
        raise PluginError(f"{named(loss)}: count must return a finite number of at least 0; it returned {count.item()}")
    if any(loss.weight_at(share) < 0 for share in (0.0, 0.5, 1.0)):
        raise PluginError(f"{named(loss)}: weight_at must return a number of at least 0")
    if not term.isfinite():
        raise PluginError(
            f"{named(loss)}: must return a finite number for finite features; it returned {term.item()}: "
            "look for divisions by zero, logarithms of zero and means of nothing"
        )


def needs(loss: Loss, tower: TowerSpec, width: int) -> Iterator[str]:
    """Name what a loss cannot do without: ``images``, ``regions``, ``samples`` beside each other in a batch.

    Where it joins the rows of all ranks, samples of other ranks do as well;
    where it does not, there is ``own samples`` too.

    Args:
        loss: The loss.
        tower: What the vision tower declares.
        width: Width D of the language model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        features = random_features(tower, width)
        if loss.count(_without_regions(features)) == 0:
            yield "regions"
        if loss.count(_without_images(features)) == 0:
            yield "images"
        alone = random_features(tower, width, samples=1)
        sides = [alone.patches, alone.answer, alone.regions.text]
        with gatherings() as calls:
            term = loss.build(width)(alone)
        if not any(grad is not None and grad.any() for grad in torch.autograd.grad(term, sides, allow_unused=True)):
            yield "samples"
            if not calls:
                yield "own samples"


def _without_regions(features: Features) -> Features:
    none = features.regions
    kept = {name: getattr(none, name)[:0] for name in ("image", "patch_weights", "text", "text_key", "confidence")}
    return evolve(features, regions=Regions(**kept, of_image=features.image_key.new_zeros(len(features.patches), 0)))


def _without_images(features: Features) -> Features:
    bare = _without_regions(features)
    kept = {name: getattr(bare, name)[:0] for name in ("patches", "patch_mask", "image_sample", "image_key")}
    return evolve(bare, **kept, regions=evolve(bare.regions, of_image=bare.image_key.new_zeros(0, 0)))


def random_features(tower: TowerSpec, width: int, samples: int = SAMPLES) -> Features:
    """Make random features of samples with an image and a text region each; a single sample has two regions.

    Args:
        tower: What the vision tower declares.
        width: Width D of the language model.
        samples: How many.
    """
    patches, places = tower.grid.patches, torch.arange(samples)
    owners = torch.arange(SAMPLES) if samples > 1 else torch.zeros(SAMPLES, dtype=torch.int64)
    regions = torch.arange(len(owners))

    def side(*shape: int) -> Tensor:
        return torch.randn(*shape, width, requires_grad=True)

    return Features(
        patches=side(samples, patches),
        patch_mask=torch.ones(samples, patches, dtype=torch.bool),
        grid=(tower.grid.rows, tower.grid.columns),
        image_sample=places,
        image_key=places,
        answer=side(samples, TOKENS),
        answer_mask=torch.ones(samples, TOKENS, dtype=torch.bool),
        answer_key=places,
        regions=Regions(
            image=owners,
            patch_weights=torch.rand(len(owners), patches).softmax(dim=1),
            text=side(len(owners)),
            text_key=regions,
            confidence=torch.ones(len(owners)),
            of_image=regions.view(samples, -1),
        ),
    )


def verified(term: object, loss: Loss, features: Features) -> Tensor:
    """Verify that a loss returned a scalar that a gradient can be taken of.

    Args:
        term: The returned value.
        loss: The loss.
        features: What it was called with.

    Raises:
        PluginError: It returned something else; the error says what, and what to write instead.
    """
    if not isinstance(term, Tensor):
        got, fix = repr(term), "compute it with torch, and return it"
    elif term.shape != torch.Size([]):
        got, fix = f"a tensor of shape {tuple(term.shape)}", "take its mean() or its sum()"
    elif not term.is_floating_point():
        got, fix = f"a tensor of {term.dtype}", "compute it in floating point"
    elif not term.requires_grad and torch.is_grad_enabled() and _learns(features):
        got, fix = (
            "a tensor detached from the autograd graph",
            "leave out detach(), item() and no_grad(), and add features.zero()",
        )
    else:
        return term
    raise PluginError(
        f"{named(loss)}: must return a scalar tensor attached to the autograd graph; it returned {got}: {fix}"
    )


def _learns(features: Features) -> bool:
    """Return whether every side of the features can learn, so that a loss without a graph is at fault."""
    return all(side.requires_grad for side in (features.patches, features.answer, features.regions.text))


def try_tower(tower: VisionTower, spec: TowerSpec) -> None:
    """Show one image to a tower without weights, where no tensor is computed.

    A tower that does something that torch's meta device cannot do, as the
    error says, is not judged; it is shown an image when the model is built.

    Args:
        tower: The tower.
        spec: What it declares.

    Raises:
        PluginError: Its features are not those that it declares.
    """
    try:
        with torch.device("meta"), torch.no_grad():
            features = tower.build(pretrained=False).eval()(torch.zeros(1, 3, *spec.size))
    except NotImplementedError:
        return
    except RuntimeError as error:
        if "meta" in str(error):
            return
        raise
    _verify_features(features, tower, spec)


def try_projector(projector: Projector, tower: TowerSpec, width: int) -> None:
    """Show the features of one image to a projector, where no tensor is computed.

    A projector that does something that torch's meta device cannot do is not
    judged; it is shown features when the model is built.

    Args:
        projector: The projector.
        tower: What the vision tower declares.
        width: Width D of the language model.

    Raises:
        PluginError: It makes something else of them than as many embeddings.
    """
    try:
        with torch.device("meta"), torch.no_grad():
            embeddings = projector.build(tower.width, width).eval()(torch.zeros(1, tower.tokens, tower.width))
    except NotImplementedError:
        return
    except RuntimeError as error:
        if "meta" in str(error):
            return
        raise PluginError(
            f"{named(projector)}: cannot be called with {tower.width} features a patch; {error}"
        ) from error
    _verify_embeddings(embeddings, projector, tower, width)


@torch.no_grad()
def try_model(model: Model, tower: VisionTower, projector: Projector) -> None:
    """Show one black image to the vision tower and the projector of a built model.

    Args:
        model: The model.
        tower: The part that its tower was built by.
        projector: The part that its projector was built by.

    Raises:
        PluginError: The features are not those that the tower declares, or the
            projector does not make as many embeddings of them.
    """
    sides = (model.vision_tower, model.projector)
    modes = {module: module.training for side in sides for module in side.modules()}
    device = next((parameter.device for parameter in model.vision_tower.parameters()), torch.device("cpu"))
    black = torch.zeros(1, 3, *model.tower.size, dtype=torch.uint8, device=device)
    with torch.random.fork_rng(devices=[]):
        for side in sides:
            side.eval()
        features = model.tower_features(black)
        _verify_features(features, tower, model.tower)
        dtype = next((parameter.dtype for parameter in model.projector.parameters()), features.dtype)
        embeddings = model.projector(features.to(dtype))
    for module, training in modes.items():
        module.training = training
    _verify_embeddings(embeddings, projector, model.tower, model.backbone.get_input_embeddings().embedding_dim)


def _verify_embeddings(embeddings: object, projector: Projector, spec: TowerSpec, width: int) -> None:
    """Verify that the embeddings of one image are as many as its features, and as wide as the language model."""
    due = (1, spec.tokens, width)
    if not isinstance(embeddings, Tensor) or tuple(embeddings.shape) != due or not embeddings.is_floating_point():
        got = f"{tuple(embeddings.shape)} of {embeddings.dtype}" if isinstance(embeddings, Tensor) else repr(embeddings)
        raise PluginError(
            f"{named(projector)}: its module must return embeddings {due} for the features of one image, "
            f"{spec.tokens} of width {spec.width}; it returned {got}"
        )


def _verify_features(features: object, tower: VisionTower, spec: TowerSpec) -> None:
    """Verify that the features of one image are as many and as wide as declared."""
    due = (1, spec.tokens, spec.width)
    got = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
    if got != due:
        grid = f"{spec.grid.rows} x {spec.grid.columns} patches{' and a class token' * spec.class_token}"
        raise PluginError(
            f"{named(tower)}: spec declares {grid} of width {spec.width}, which is {due} for one image; "
            f"its module returned {got}: change grid, class_token or width of spec, or the module"
        )


def verify_width(built: Any, backbone: Backbone) -> None:  # noqa: ANN401 - transformers' models are untyped
    """Verify that a built language model has the embeddings that its part declares.

    Args:
        built: The model.
        backbone: The part that it was built by.

    Raises:
        PluginError: They have another width, or fewer rows.
    """
    spec, table = backbone.spec(), built.get_input_embeddings()
    if (width := getattr(table, "embedding_dim", None)) != spec.width or table.num_embeddings < spec.vocabulary:
        rows = getattr(table, "num_embeddings", None)
        raise PluginError(
            f"{named(backbone)}: spec declares {spec.vocabulary} embeddings of width {spec.width}; "
            f"its module has {rows} of width {width}"
        )

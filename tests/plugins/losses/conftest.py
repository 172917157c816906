"""Random features, published features, and the plainest arithmetic to hold the losses against."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from remgcl import Features, Regions
from remgcl.testing.features import backward as backward_of
from remgcl.testing.features import random_features


@pytest.fixture(scope="session")
def features() -> Callable[..., Features]:
    """A function that makes random features of any shape."""
    return random_features


@pytest.fixture(scope="session")
def backward() -> Callable[..., tuple[Tensor, list[Tensor]]]:
    """A function that gives a loss and its gradients to patches, answers and region texts."""
    return _backward


@pytest.fixture(scope="session")
def plain() -> SimpleNamespace:
    """The plainest arithmetic: `cosine`, `mean`, and `contrast`, an objective a pair at a time."""
    return SimpleNamespace(cosine=_cosine, mean=_mean, contrast=_contrast)


@pytest.fixture(scope="session", params=["p14", "p16"])
def published(request: pytest.FixtureRequest, recorded: Path) -> tuple[Features, dict[str, float]]:
    """Features of a batch of the published code, and the losses that it gave."""
    folder = recorded / request.param
    told = json.loads((folder / "forward.json").read_text())
    return _published(folder, told), told


def _backward(loss: Callable[[Features], Tensor], features: Features) -> tuple[Tensor, list[Tensor]]:
    value, gradients = backward_of(loss, features)
    assert all(gradient is not None for gradient in gradients)
    return value, [gradient for gradient in gradients if gradient is not None]


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    product = sum(a * b for a, b in zip(left, right, strict=True))
    lengths = math.hypot(*left) * math.hypot(*right)
    return product / lengths if lengths else 0.0


def _mean(rows: Sequence[Sequence[float]]) -> list[float]:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def _contrast(loss: Any, similarity: list[list[float]], weights: Sequence[float], same: list[list[bool]]) -> float:  # noqa: ANN401 - any contrastive loss
    pairs = [i for i, weight in enumerate(weights) if weight]
    each = dict.fromkeys(pairs, 0.0)
    for i in pairs:
        others = [j for j in pairs if not same[i][j]]
        right = similarity[i][i] / loss.temperature
        if loss.objective == "alignment":
            each[i] -= right
        elif loss.objective == "infonce":
            texts = [right, *(similarity[i][j] / loss.temperature for j in others)]
            images = [right, *(similarity[j][i] / loss.temperature for j in others)]
            each[i] -= sum(math.log(math.exp(right) / sum(map(math.exp, row))) for row in (texts, images)) / 2
        else:
            each[i] += math.log1p(math.exp(-right - loss.bias))
            each[i] += sum(math.log1p(math.exp(similarity[i][j] / loss.temperature + loss.bias)) for j in others)
    return sum(weights[i] * each[i] for i in pairs) / (sum(weights) or 1)


def _published(folder: Path, told: dict[str, Any]) -> Features:
    """Run the published projector on the recorded features of the tower, and look up the recorded embeddings."""
    held = {name: torch.from_numpy(array) for name, array in np.load(folder / "forward.npz").items()}
    state = torch.load(folder / "mm_projector.bin", weights_only=True)
    layers = [state[f"model.mm_projector.{i}.{name}"].float() for i in (0, 2) for name in ("weight", "bias")]
    inner = torch.nn.functional.gelu(held["tower_features"] @ layers[0].T + layers[1])
    patches = inner @ layers[2].T + layers[3]
    table = torch.full((int(held["embedding_ids"].max()) + 1, patches.shape[2]), torch.nan)
    table[held["embedding_ids"]] = held["embedding_rows"]
    labels = held["spliced_labels"]
    ids = json.loads((folder / "ocr_ids.json").read_text())
    lines = [
        (image, _owned(line[0], told["padded_sizes"][image][0], patches.shape[1]), words)
        for image, found in enumerate(told["ocr_on_padded_image"])
        for line, words in zip(found, ids[image], strict=True)
    ]
    edge = math.isqrt(patches.shape[1])
    return Features(
        patches=patches,
        patch_mask=torch.zeros(patches.shape[:2], dtype=torch.bool),  # the published mean takes in padding
        grid=(edge, edge),
        image_sample=torch.arange(len(patches)),
        image_key=torch.arange(len(patches)),
        answer=table[labels.clamp(min=0)],
        answer_mask=held["stop_mask_exact"] & (labels >= 0),
        answer_key=torch.arange(len(labels)),
        regions=Regions(
            image=torch.tensor([image for image, _, _ in lines]),
            patch_weights=torch.stack([weights for _, weights, _ in lines]),
            text=torch.stack([table[ids].mean(dim=0) for _, _, ids in lines]),
            text_key=torch.arange(len(lines)),
            confidence=torch.ones(len(lines)),
        ),
    )


def _owned(quad: list[list[float]], size: int, patches: int) -> Tensor:
    """Share out a line as the published code does, on 14 x 14 places whatever the tower's grid."""
    (left, *_, right), (top, *_, bottom) = (sorted(corner[axis] * 14 / size for corner in quad) for axis in (0, 1))
    weights = torch.zeros(patches)
    for row in range(14):
        for column in range(14):
            across = max(0.0, min(right, column + 1) - max(left, column))
            down = max(0.0, min(bottom, row + 1) - max(top, row))
            weights[14 * row + column] = across * down >= 0.05
    return weights / weights.sum().clamp(min=1)

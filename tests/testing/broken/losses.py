"""Losses that break one promise each."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from attrs import frozen
from torch import Tensor, distributed, nn

from remgcl import Features, Loss, gather
from remgcl.testing import conformance
from remgcl.testing.ranks import Ranks


@pytest.fixture(scope="module")
def remgcl_ranks() -> Iterator[Ranks]:
    """Ranks that are not waited for as long."""
    ranks = Ranks(limit=30)
    yield ranks
    ranks.stop()


def rows(features: Features) -> Tensor:
    """Give the distance of each image's mean patch and its answer's mean token `[N, D]`."""
    mask = features.answer_mask.to(features.answer.dtype)[..., None]
    texts = (features.answer * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return features.patches.mean(dim=1) - texts[features.image_sample]


def owned(features: Features) -> Tensor:
    """Give the sum of the regions' patches `[]`."""
    regions = features.regions
    return (regions.patch_weights[:, :, None] * features.patches[regions.image]).sum()


@frozen(kw_only=True)
class Good(Loss):
    """Keep images near their answers; over all ranks."""

    def __call__(self, features: Features) -> Tensor:
        """Add up the squares."""
        (everyone,), _ = gather(rows(features))
        return everyone.float().pow(2).sum() + features.zero()


@frozen(kw_only=True)
class Alone(Loss):
    """Keep images near their answers."""

    def __call__(self, features: Features) -> Tensor:
        """Add up the squares."""
        return rows(features).float().pow(2).sum() + features.zero()


checked: list[str] = []
"""The check that runs."""


@pytest.fixture(autouse=True)
def _check(request: pytest.FixtureRequest) -> None:
    """Tell which check runs."""
    checked[:] = [request.node.name]


@frozen(kw_only=True)
class Vector(Alone):
    """Answer a number for each image."""

    def __call__(self, features: Features) -> Tensor:
        """Do so where an answer is looked at; elsewhere it would break other promises too."""
        usual = checked == ["test_it_answers_one_finite_number"]
        return rows(features).float().sum(dim=1) if usual else super().__call__(features)


@frozen(kw_only=True)
class Detached(Alone):
    """Let no gradient through."""

    def __call__(self, features: Features) -> Tensor:
        """Detach the rows."""
        return rows(features).detach().float().pow(2).sum() + features.zero()


@frozen(kw_only=True)
class Disconnected(Alone):
    """Forget the graph where there is no region."""

    def __call__(self, features: Features) -> Tensor:
        """Leave out the zero."""
        value = rows(features).float().pow(2).sum()
        return value + features.zero() if len(features.regions.image) else value


@frozen(kw_only=True)
class One(Alone):
    """Answer one where there is nothing."""

    def __call__(self, features: Features) -> Tensor:
        """Add it."""
        return super().__call__(features) + (not len(features.answer))


@frozen(kw_only=True)
class Float32(Alone):
    """Know one precision only."""

    def __call__(self, features: Features) -> Tensor:
        """Multiply by a float32 matrix."""
        return (rows(features) @ torch.eye(8)).pow(2).sum() + features.zero()


@frozen(kw_only=True)
class Ordered(Alone):
    """Take the first image's sample for the first."""

    def __call__(self, features: Features) -> Tensor:
        """Weigh the rows by their places."""
        made = rows(features).float().pow(2).sum(dim=1)
        return (made * torch.arange(len(made))).sum() + features.zero()


@frozen(kw_only=True)
class Places(Alone):
    """Need the places of regions."""

    def __call__(self, features: Features) -> Tensor:
        """Count them."""
        return super().__call__(features) + (features.regions.of_image is None)


@frozen(kw_only=True)
class Greedy(Alone):
    """Change what it is given."""

    def __call__(self, features: Features) -> Tensor:
        """Count a token."""
        features.answer_key.add_(1)
        return super().__call__(features)


@frozen(kw_only=True)
class Padded(Alone):
    """Look at padding."""

    def __call__(self, features: Features) -> Tensor:
        """Add the mean of all tokens."""
        return super().__call__(features) + features.answer.float().sum() * 1e-3


@frozen(kw_only=True)
class Highest(Alone):
    """Look at padding where it is the highest."""

    def __call__(self, features: Features) -> Tensor:
        """Add the highest number of all tokens."""
        rows = features.answer.float().flatten()
        return super().__call__(features) + (rows.amax() if len(rows) else 0)


@frozen(kw_only=True)
class Dropped(Alone):
    """Look at tokens that were not kept."""

    def __call__(self, features: Features) -> Tensor:
        """Add those that stand where another sample has a token that was kept."""
        columns = features.answer_mask.any(dim=0)[:, None]
        return super().__call__(features) + (features.answer * columns).float().sum() * 1e-3


@frozen(kw_only=True)
class Square(Alone):
    """Take every grid for one of many rows."""

    def __call__(self, features: Features) -> Tensor:
        """Look at the second row."""
        if features.grid[0] < 2:
            raise RuntimeError("no second row")
        return super().__call__(features)


@frozen(kw_only=True)
class Uneven(Good):
    """Gather, and weigh own rows otherwise than the others'."""

    def __call__(self, features: Features) -> Tensor:
        """Multiply by the number of ranks' rows."""
        (everyone,), own = gather(rows(features))
        return everyone[own].float().pow(2).sum() * len(everyone) + features.zero()


@frozen(kw_only=True)
class Cut(Good):
    """Gather without the gradients of the others."""

    def __call__(self, features: Features) -> Tensor:
        """Detach what is gathered."""
        mine = rows(features).float()
        (everyone,), own = gather(mine.detach())
        return everyone.pow(2).sum() - everyone[own].pow(2).sum() + mine.pow(2).sum() + features.zero()


@frozen(kw_only=True)
class Chance(Alone):
    """Roll dice among ranks."""

    def __call__(self, features: Features) -> Tensor:
        """Add a random number."""
        value = super().__call__(features)
        return value + torch.rand(()) if distributed.is_available() and distributed.is_initialized() else value


@frozen(kw_only=True)
class Unequal(Good):
    """Gather twice on the first rank, where nobody waits for it."""

    def __call__(self, features: Features) -> Tensor:
        """Do so where there is no image at all."""
        value = super().__call__(features)
        if distributed.is_initialized() and not features.answer.numel() and distributed.get_rank() == 1:
            return value
        return value if len(features.patches) else super().__call__(features)


@frozen(kw_only=True)
class Raises(Alone):
    """Raise on the second rank."""

    def __call__(self, features: Features) -> Tensor:
        """Do so."""
        if distributed.is_initialized() and distributed.get_rank() == 1:
            raise ValueError("not here")
        return super().__call__(features)


@frozen(kw_only=True)
class Waits(Alone):
    """Ask the accelerator for a value."""

    def __call__(self, features: Features) -> Tensor:
        """Multiply by a host's number."""
        return super().__call__(features) * (1.0 if features.patch_mask.sum().item() >= 0 else 2.0)


@frozen(kw_only=True)
class Picks(Alone):
    """Ask the accelerator for a size."""

    def __call__(self, features: Features) -> Tensor:
        """Index with a mask."""
        return super().__call__(features) + features.patches[features.patch_mask].float().sum() * 0


@frozen(kw_only=True)
class Reads(Alone):
    """Bring tensors to the host, in all ways there are."""

    def __call__(self, features: Features) -> Tensor:
        """Count samples of whole numbers there."""
        where = features.image_sample
        read = [*where.tolist(), *where.cpu(), *where.to("cpu"), *where.numpy(), *np.asarray(where)]
        return super().__call__(features) * (1.0 if len(read) >= 0 else 2.0)


@frozen(kw_only=True)
class Counts(Alone):
    """Ask the accelerator for sizes that hang on values."""

    def __call__(self, features: Features) -> Tensor:
        """Count the images of each sample, and repeat the counts."""
        counts = torch.bincount(features.image_sample)
        return super().__call__(features) + 0 * counts.repeat_interleave(counts).sum()


@frozen(kw_only=True)
class Loops(Alone):
    """Run a loop over regions."""

    def __call__(self, features: Features) -> Tensor:
        """Add up the texts one by one."""
        value = super().__call__(features)
        for text in features.regions.text.unbind():
            value = value + text.float().pow(2).sum()
        return value


@frozen(kw_only=True)
class Wide(Alone):
    """Count by the numbers of the patches."""

    def count(self, features: Features) -> Tensor:
        """Add them up."""
        return features.patches.detach().abs().sum()


class Scale(nn.Module):
    """A number that is learned and one that is not used; it may be lost when it is saved."""

    def __init__(self, loss: Loss, *, kept: bool) -> None:
        """Begin with 1."""
        super().__init__()
        self.loss = loss
        self.kept = kept
        self.scale = nn.Parameter(torch.ones(1))
        self.idle = nn.Parameter(torch.ones(1))
        self.lost = torch.rand(())

    def forward(self, features: Features) -> Tensor:
        """Multiply."""
        used = self.idle[0] + self.lost if self.kept else 1
        return self.loss(features) * self.scale[0] * used


@frozen(kw_only=True)
class Idle(Alone):
    """Learn a number that is not used."""

    def build(self, width: int) -> nn.Module:
        """Make the module."""
        del width
        return Scale(self, kept=False)


@frozen(kw_only=True)
class Forgets(Alone):
    """Keep a number that is not saved."""

    def build(self, width: int) -> nn.Module:
        """Make the module."""
        del width
        return Scale(self, kept=True)


@frozen(kw_only=True)
class Tells(Alone):
    """Tell a vector of itself."""

    def diagnose(self, features: Features) -> Mapping[str, Tensor]:
        """Give the rows."""
        return {"rows": rows(features)}


@frozen(kw_only=True)
class Silent(Alone):
    """Have a field that nobody tells."""

    margin: float = 0.5


@frozen(kw_only=True)
class Untyped(Alone):
    """Have a field that TOML cannot hold.

    Attributes:
        margin: Anything.
    """

    margin: Any = (1, 2)


@frozen(kw_only=True)
class Hangs(Alone):
    """Gather where there is an image only."""

    def __call__(self, features: Features) -> Tensor:
        """Do so."""
        made = rows(features)
        (everyone,), _ = gather(made) if len(made) else ([made], None)
        return everyone.float().pow(2).sum() + features.zero()


TestGood = conformance(Good())
TestVector = conformance(Vector())
TestDetached = conformance(Detached())
TestDisconnected = conformance(Disconnected())
TestOne = conformance(One())
TestFloat32 = conformance(Float32())
TestOrdered = conformance(Ordered())
TestPlaces = conformance(Places())
TestGreedy = conformance(Greedy())
TestPadded = conformance(Padded())
TestHighest = conformance(Highest())
TestDropped = conformance(Dropped())
TestSquare = conformance(Square())
TestUneven = conformance(Uneven())
TestCut = conformance(Cut())
TestChance = conformance(Chance())
TestWaits = conformance(Waits())
TestPicks = conformance(Picks())
TestReads = conformance(Reads())
TestCounts = conformance(Counts())
TestLoops = conformance(Loops())
TestWide = conformance(Wide())
TestIdle = conformance(Idle())
TestForgets = conformance(Forgets())
TestTells = conformance(Tells())
TestSilent = conformance(Silent())
TestUntyped = conformance(Untyped())
TestRaises = conformance(Raises())
TestHangs = conformance(Hangs())

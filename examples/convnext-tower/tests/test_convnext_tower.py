"""The vision tower keeps the contract of its kind, on images of any shape."""

import pytest
import torch
from remgcl.testing import conformance

from remgcl_convnext_tower import ConvNextTower

TestWide = conformance(ConvNextTower())

TestTall = conformance(ConvNextTower(size=(75, 33), widths=(8, 8, 16)))


@pytest.mark.parametrize(("size", "grid"), [((64, 192), (8, 24)), ((75, 33), (9, 4)), ((32, 32), (4, 4))])
def test_the_grid_follows_the_shape_of_the_image(size: tuple[int, int], grid: tuple[int, int]) -> None:
    tower = ConvNextTower(size=size)
    assert (tower.spec().grid.rows, tower.spec().grid.columns) == grid
    with torch.no_grad():
        assert tower.build()(torch.zeros(2, 3, *size)).shape == (2, grid[0] * grid[1], 48)


def test_patches_are_in_rows_from_the_upper_left() -> None:
    pixels = torch.zeros(1, 3, 64, 192)
    lit = pixels.clone()
    lit[:, :, 32:40, 160:168] = 1  # row 4, column 20
    net = ConvNextTower().build().eval()
    with torch.no_grad():
        changed = (net(lit) - net(pixels)).abs().sum(dim=2)[0].view(8, 24)
    assert divmod(int(changed.argmax()), 24) == (4, 20)

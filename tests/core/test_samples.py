"""Samples: what a conversation, its image and its regions are."""

import inspect
import re
import subprocess
import sys

import pytest
from attrs.exceptions import FrozenInstanceError

from remgcl.core.samples import COUNTS, Batch, Piece, Region, Sample, Turn

CORNERS = ((0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (0.0, 2.0))


def test_a_turn_without_an_image_is_what_is_said() -> None:
    assert Turn("user", "Hello").pieces == (Piece("Hello"),)


def test_a_turn_that_shows_an_image_starts_with_it_and_a_line_break() -> None:
    assert Turn("user", "What is it?", image=True).pieces == (Piece(image=True), Piece("\nWhat is it?"))


def test_a_piece_is_text_that_is_not_learned_unless_it_says_so() -> None:
    assert Piece("a") == Piece("a", learned=False, image=False)
    assert Piece(image=True) == Piece("", learned=False, image=True)
    assert Piece("a") != Piece("a", learned=True)


def test_a_region_is_certain_unless_it_says_otherwise() -> None:
    assert Region("STOP", CORNERS) == Region("STOP", CORNERS, 1.0)
    assert Region("STOP", CORNERS) != Region("STOP", CORNERS, 0.5)


def test_a_sample_has_no_image_no_regions_and_stands_in_for_none_unless_it_says_so() -> None:
    sample = Sample("a", (Turn("user", "Hi"), Turn("assistant", "Hello")))

    assert sample.image is None
    assert sample.regions == ()
    assert sample.stands_in_for == 0


def test_samples_are_compared_as_objects_since_images_cannot_be_compared_cheaply() -> None:
    turns = (Turn("user", "Hi"), Turn("assistant", "Hello"))

    assert Sample("a", turns) != Sample("a", turns)
    assert len({Sample("a", turns), Sample("a", turns)}) == 2


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (Region("STOP", CORNERS), "text"),
        (Piece("a"), "learned"),
        (Turn("user", "Hi"), "role"),
        (Sample("a", (Turn("user", "Hi"),)), "image"),
    ],
    ids=lambda made: type(made).__name__,
)
def test_nothing_of_a_sample_can_be_changed(made: object, name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(made, name, None)


def test_each_tensor_of_a_batch_has_its_line_of_documentation_in_order() -> None:
    documented = re.findall(r"^ {4}(\w+):", inspect.cleandoc(Batch.__doc__ or ""), re.MULTILINE)

    assert documented == list(Batch.__annotations__)


def test_each_count_of_a_batch_has_a_name() -> None:
    assert COUNTS == ("conversations cut", "samples replaced", "regions left out")


def test_the_module_needs_neither_torch_nor_an_image_library() -> None:
    code = "import sys, remgcl.core.samples; print(*sorted({'torch', 'PIL', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter

    assert done.stdout.strip() == ""

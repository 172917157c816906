"""Keys of earlier releases."""

from collections.abc import Callable

import pytest

from remgcl import Recipe, RecipeError
from remgcl.core.recipe.renamed import RENAMED, renamed


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_key_of_an_earlier_release_is_an_error_that_names_the_present_one(
    read: Callable[..., Recipe], old: str, new: str
) -> None:
    with pytest.raises(RecipeError, match=rf"stages\.\w+\.{old}: is now called '{new}'"):
        read(f"stages.tune.{old}=2")


def test_a_table_without_the_new_key_knows_no_old_one() -> None:
    assert renamed("workers", ("seed",)) is None

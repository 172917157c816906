"""Halves of surrogate pairs in texts."""

import pytest

from remgcl.core.data.surrogates import half_pair, without_half_pairs


@pytest.mark.parametrize("text", ["", "plain", "\N{GRINNING FACE}", "\N{REPLACEMENT CHARACTER}"])
def test_whole_characters_are_left_alone(text: str) -> None:
    assert half_pair(text) is None
    assert without_half_pairs(text) == text


@pytest.mark.parametrize(("half", "shown"), [("\ud83d", r"'\ud83d'"), ("\udc00", r"'\udc00'")], ids=["high", "low"])
def test_half_a_pair_is_named_by_its_place_and_replaced(half: str, shown: str) -> None:
    assert half_pair(f"ok {half} no") == f"holds half of a surrogate pair, {shown} at character 3"
    assert without_half_pairs(f"ok {half} no") == "ok \N{REPLACEMENT CHARACTER} no"

"""How numbers and labels are written."""

import pytest

from remgcl.core.tables.words import probability, wrapped


@pytest.mark.parametrize(("p", "text"), [(0.5, "0.500"), (0.001, "0.001"), (0.00099, "< 0.001"), (0.0, "< 0.001")])
def test_a_probability_has_three_decimals(p: float, text: str) -> None:
    assert probability(p) == text


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        ("none", ["none"]),
        ("global+sliding-window+refined-local", ["global+", "sliding-window+", "refined-local"]),
        ("losses=none, rate=1e-4", ["losses=none,", "rate=1e-4"]),
        ("a+b", ["a+b"]),
        ("a-word-that-is-too-long+b+", ["a-word-that-is-too-long+", "b+"]),
        ("", [""]),
    ],
)
def test_a_label_is_broken_after_spaces_and_pluses_and_nowhere_else(label: str, lines: list[str]) -> None:
    assert wrapped(label, 15).splitlines() == (lines if label else [])

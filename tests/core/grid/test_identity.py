"""What tells stages apart."""

from remgcl.core.grid.identity import digest_of


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": {"c": (1, 2), "d": 3}}) == digest_of({"b": {"d": 3, "c": [1, 2]}, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 1.5})

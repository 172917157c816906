"""Errors: one base, and a wording that tells where, what, and what there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remgcl.core import errors
from remgcl.core.errors import (
    DataError,
    Fault,
    FaultsError,
    Hint,
    PluginError,
    RecipeError,
    RemgclError,
    RunError,
    ValueFaultError,
    WeightsError,
    listed,
)

names = st.text("abcdefgh_-", min_size=1, max_size=8)


@pytest.mark.parametrize("kind", [DataError, FaultsError, PluginError, RecipeError, RunError, WeightsError])
def test_every_error_that_reaches_a_user_has_one_base(kind: type[Exception]) -> None:
    assert issubclass(kind, RemgclError)


def test_no_error_of_the_module_is_left_out_of_the_command_line_by_accident() -> None:
    """`ValueFaultError` never leaves the reading of a recipe; all others derive from the base."""
    made_here = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert {kind for kind in made_here if not issubclass(kind, RemgclError)} == {ValueFaultError}


def test_the_faults_of_a_recipe_are_faults_like_any_other() -> None:
    assert issubclass(RecipeError, FaultsError)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault("a.toml", "stages.a", "is missing"), "a.toml: stages.a: is missing"),
        (Fault("a.toml", "", "is not TOML"), "a.toml: is not TOML"),
        (Fault("", "seed", "is missing"), "seed: is missing"),
        (Fault("", "", "said by a dataset"), "said by a dataset"),
    ],
)
def test_a_fault_tells_where_and_key_and_leaves_out_what_is_empty(fault: Fault, told: str) -> None:
    assert str(fault) == told


def test_faults_are_told_a_line_each_in_their_order() -> None:
    faults = [Fault("b.toml", "z", "is missing"), Fault("a.toml", "a", "is missing")]
    error = FaultsError(faults)
    assert str(error) == "b.toml: z: is missing\na.toml: a: is missing"
    assert error.faults == tuple(faults)


def test_faults_given_as_a_list_cannot_change_afterwards() -> None:
    faults = [Fault("a.toml", "a", "is missing")]
    error = FaultsError(faults)
    faults.clear()
    assert len(error.faults) == 1


def test_a_fault_is_equal_to_one_of_the_same_words_so_that_it_is_told_once() -> None:
    assert list(dict.fromkeys([Fault("a", "b", "c"), Fault("a", "b", "c")])) == [Fault("a", "b", "c")]


def test_a_value_at_fault_keeps_the_path_to_it() -> None:
    error = ValueFaultError("is missing", ("stages", "after"))
    assert (str(error), error.key) == ("is missing", ("stages", "after"))
    assert ValueFaultError("is missing").key == ()


def test_a_value_at_fault_is_a_value_error_as_those_of_validators_are() -> None:
    assert issubclass(ValueFaultError, ValueError)


@pytest.mark.parametrize(
    ("name", "known", "told"),
    [
        ("projecter", ("backbone", "projector"), "did you mean 'projector'?"),
        ("Global", ("global",), "did you mean 'global'?"),
        ("x", ("linear", "identity"), "there is 'identity', 'linear'"),
        ("", ("linear",), "there is 'linear'"),
        ("x", (), "there is nothing"),
    ],
)
def test_a_name_that_is_not_known_is_met_with_the_nearest_or_with_all(
    name: str, known: tuple[str, ...], told: str
) -> None:
    assert str(Hint(name, known)) == told


@given(name=names, known=st.lists(names, unique=True))
def test_what_is_offered_is_always_something_there_is(name: str, known: list[str]) -> None:
    told = str(Hint(name, tuple(known)))
    if told.startswith("did you mean"):
        assert told in {f"did you mean {offered!r}?" for offered in known}
    else:
        assert told == f"there is {listed(sorted(known))}"


@given(known=st.lists(names, min_size=1, unique=True))
def test_a_name_that_is_right_but_for_its_last_letter_is_found(known: list[str]) -> None:
    long = [f"{name}-tower" for name in known]
    assert str(Hint(long[0][:-1], tuple(long))).startswith("did you mean")


def test_names_are_listed_quoted_in_the_order_given() -> None:
    assert listed(["b", "a"]) == "'b', 'a'"
    assert listed(iter(["only"])) == "'only'"


def test_no_names_are_listed_as_nothing() -> None:
    assert listed([]) == "nothing"

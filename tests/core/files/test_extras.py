"""Libraries that are absent are told with the way to install them."""

import pytest

from remgcl import RunError, verify_installed


def test_what_is_installed_passes() -> None:
    verify_installed("json", "a thing", "remgcl[thing]")


def test_what_is_absent_is_an_error_that_names_setting_library_and_extra() -> None:
    told = r"^a thing: needs no_such, which is not installed; install it with: pip install 'remgcl\[thing\]'$"
    with pytest.raises(RunError, match=told):
        verify_installed("no_such", "a thing", "remgcl[thing]")

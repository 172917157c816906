"""A chat model that breaks its contract is named with plugin, part and method."""

import pytest
from attrs import frozen

from remgcl import ChatModel, Engine, PluginError, hookimpl


@frozen(kw_only=True)
class Odd(ChatModel):
    """Return what it is told to, from every method.

    Attributes:
        value: What to return.
    """

    value: int | str = 0

    @property
    def sees(self) -> bool:
        """Return it."""
        return self.value  # type: ignore[return-value]

    @property
    def at_once(self) -> int:
        """Return it."""
        return self.value  # type: ignore[return-value]

    def identity(self) -> str:
        """Return it."""
        return self.value  # type: ignore[return-value]

    def open(self) -> None:  # type: ignore[override]
        """Return nothing."""


class Plugin:
    """Registers it."""

    @staticmethod
    @hookimpl
    def remgcl_register_chat_models() -> dict[str, type[ChatModel]]:
        """Name it."""
        return {"odd": Odd}


def called(part: ChatModel, method: str) -> object:
    """Read a property, or call a method."""
    found = getattr(part, method)
    return found() if callable(found) else found


@pytest.mark.parametrize(
    ("method", "value", "told"),
    [
        ("sees", 1, "true or false; it returned 1"),
        ("at_once", 0, "a whole number of at least 1; it returned 0"),
        ("identity", "", "a text that is not empty; it returned ''"),
        ("open", 0, "an asynchronous context manager; it returned None"),
    ],
)
def test_what_a_chat_model_must_return_is_said(method: str, value: int | str, told: str) -> None:
    part = Engine.of({"acme": Plugin}).registry.find("chat_models", "odd")(model="m", value=value)  # type: ignore[call-arg]
    with pytest.raises(PluginError, match=rf"plugin 'acme': chat_models\.odd .*{method}: must return {told}"):
        called(part, method)

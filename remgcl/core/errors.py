"""The errors a user may meet, and their wording.

Every error of the project derives from `RemgclError`; the command line prints
its text without a traceback and leaves with code 2. The wording is
``<where>: <key>: <what is wrong>; <what there is>``, lower case, no full stop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Literal

from attrs import frozen


class RemgclError(Exception):
    """An error in what the user gave, not in this software."""


class PluginError(RemgclError):
    """A plugin or one of its parts breaks its contract."""


class DataError(RemgclError):
    """A dataset, a record or an image cannot be used."""


class WeightsError(RemgclError):
    """Weights, a configuration or a tokenizer cannot be found or read."""


class RequestError(RemgclError):
    """A question to a model, or a setting of its answer, cannot be used."""


class ReplyError(RemgclError):
    """A reply of a chat model cannot be used: it is cut off, withheld, or holds not what was asked for."""


class RunError(RemgclError):
    """A run folder cannot be used, or a run cannot continue."""


class ChatError(RemgclError):
    """A chat model did not answer a request.

    Attributes:
        kind: What to do about it. ``busy``: wait and send the request again, it was not looked at. ``failed``: the
            request may succeed if it is sent again. ``refused``: this request will fail again, others may not.
            ``denied``: every request will fail, such as for want of a key.
        wait: Seconds that the model asks to wait, where it is busy and says so.
    """

    def __init__(
        self, what: str, kind: Literal["busy", "failed", "refused", "denied"] = "failed", wait: float | None = None
    ) -> None:
        """Say what happened.

        Args:
            what: What happened, in the words of the model or of the client.
            kind: What to do about it.
            wait: Seconds to wait.
        """
        self.kind = kind
        self.wait = wait
        super().__init__(what)


@frozen
class Fault:
    """One thing that is wrong, and where.

    Attributes:
        where: The file (or command line option) at fault.
        key: The path of keys inside it; empty for the file as a whole.
        what: What is wrong, and what there is instead.
    """

    where: str
    key: str
    what: str

    def __str__(self) -> str:
        """Word the fault for a terminal."""
        return ": ".join(part for part in (self.where, self.key, self.what) if part)


class FaultsError(RemgclError):
    """Several faults, reported at once.

    Attributes:
        faults: The faults, in the order of the file.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Word all faults, one a line.

        Args:
            faults: At least one fault.
        """
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class RecipeError(FaultsError):
    """A recipe cannot be read."""


class ValueFaultError(ValueError):
    """A value at fault, inside a table that is being read.

    Attributes:
        key: The path of keys from the value that is read to the one at fault.
    """

    def __init__(self, what: str, key: tuple[str, ...] = ()) -> None:
        """Say what is wrong.

        Args:
            what: What is wrong, and what there is instead.
            key: The path to the value at fault.
        """
        self.key = key
        super().__init__(what)


@frozen
class Hint:
    """What to offer in place of a name that is not known.

    Attributes:
        name: The name that was given.
        known: The names there are.
    """

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        """Offer the nearest name, or list what there is."""
        tails = {name.rpartition(".")[2]: name for name in self.known}
        near = get_close_matches(self.name, self.known, n=1) or get_close_matches(self.name, tails, n=1)
        if near:
            return f"did you mean {tails.get(near[0], near[0])!r}?"
        return f"there is {listed(sorted(self.known))}"


def listed(names: Iterable[str]) -> str:
    """List names for an error: quoted, with commas, or "nothing".

    Args:
        names: The names, in the order wanted.
    """
    return ", ".join(repr(name) for name in names) or "nothing"

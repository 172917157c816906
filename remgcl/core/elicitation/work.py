"""What a run has at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from remgcl.core.elicitation.calls import Caller
from remgcl.core.elicitation.file import ElicitFile
from remgcl.core.elicitation.ledger import Ledger
from remgcl.core.elicitation.purse import Purse
from remgcl.core.elicitation.sources import Seen


@frozen(eq=False)
class Work:
    """What a run has at hand.

    Attributes:
        file: The file.
        out: The folder of the data.
        ledger: The replies.
        purse: The money.
        callers: The chat models that may be asked.
        seen: What was found among the images.
    """

    file: ElicitFile
    out: Path
    ledger: Ledger
    purse: Purse
    callers: Mapping[str, Caller]
    seen: Seen

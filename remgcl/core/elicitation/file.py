"""An elicitation file, as it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import field, frozen
from attrs.validators import and_, ge, gt, instance_of, le, matches_re, optional

from remgcl.core.errors import Fault, Hint, RecipeError
from remgcl.core.files.extras import missing
from remgcl.core.parts import ChatModel, Dataset, Generator, Judge, OcrEngine, Selector
from remgcl.core.parts.within import parts_in
from remgcl.core.recipe import document
from remgcl.core.recipe.structure import Structure
from remgcl.core.registry.registry import Registry

PROMPT = (
    "Describe this image in one paragraph for a reader who cannot see it. Copy every text that you can read, word for "
    "word, and say where it stands and what it belongs to. Describe only what you are certain of; leave out guesses, "
    "and write no list."
)
"""What a model that sees is asked for a caption."""


@frozen(kw_only=True)
class Price:
    """What a chat model takes for a million tokens, in any currency.

    Attributes:
        input: For those of the request.
        output: For those of the reply.
    """

    input: float = field(validator=ge(0))
    output: float = field(validator=ge(0))


@frozen(kw_only=True)
class Caption:
    """A description of each image, by a chat model that sees.

    Attributes:
        model: Its key in `models`.
        prompt: What it is asked.
        max_tokens: Longest description in tokens.
        temperature: Of sampling.
    """

    model: str
    prompt: str = PROMPT
    max_tokens: int = field(default=512, validator=ge(1))
    temperature: float = field(default=0.2, validator=ge(0))


@frozen(kw_only=True)
class ElicitFile:
    """Images, what is asked about them, who judges, and what is chosen.

    Attributes:
        name: The name of the data, and of its folder.
        generators: What makes questions with answers, by a key of your own.
        images: The folder of the images; this or `data`.
        data: A dataset whose images are taken, with the text regions of its samples.
        ocr: The OCR cache that knows the text of the images.
        ocr_engine: What reads images that the cache does not hold yet, before anything is asked.
        models: The chat models, by a key of your own.
        prices: What each of them takes.
        caption: How images are described first; without it, they are not.
        judges: Who may refuse a pair, by a key of your own.
        alike: Share of common words (Jaccard) from which two questions about an image count as one; the first stays.
        selector: What chooses among the pairs that are left; without it, all stay.
        count: Pairs that are wanted.
        budget: Most money for chat models, of all runs in the folder.
        tries: How often a call that fails is sent, before its image is left for the next run.
        patience: Seconds without a reply after which busy models end the run.
        seed: Seeds sampling and selector.
    """

    name: str = field(validator=matches_re(r"[A-Za-z0-9][A-Za-z0-9._-]*"))
    generators: dict[str, Generator]
    images: str | None = None
    data: Dataset | None = None
    ocr: str | None = None
    ocr_engine: OcrEngine | None = None
    models: dict[str, ChatModel] = field(factory=dict)
    prices: dict[str, Price] = field(factory=dict)
    caption: Caption | None = None
    judges: dict[str, Judge] = field(factory=dict)
    alike: float = field(default=0.9, validator=and_(gt(0.0), le(1.0)))
    selector: Selector | None = None
    count: int | None = field(default=None, validator=optional(ge(1)))
    budget: float | None = field(default=None, validator=optional(ge(0.0)))
    tries: int = field(default=5, validator=ge(1))
    patience: float = field(default=600.0, validator=gt(0.0))
    seed: int = field(default=0, validator=and_(instance_of(int), ge(0)))

    def model_of(self, part: Generator | Judge) -> str:
        """Name the chat model that a part asks; nothing if it asks none.

        Args:
            part: A generator or a judge.
        """
        return (part.model or next(iter(self.models), "")) if part.calls else ""

    @property
    def ordered_judges(self) -> dict[str, Judge]:
        """The judges, those with the fewest calls first."""
        return dict(sorted(self.judges.items(), key=lambda named: named[1].calls))

    @property
    def asked(self) -> set[str]:
        """The chat models that may be asked."""
        parts: list[Generator | Judge] = [*self.generators.values(), *self.judges.values()]
        captions = {self.caption.model} if self.caption else set()
        return {name for name in map(self.model_of, parts) if name} | captions


def read_file(path: Path, overrides: Sequence[str], registry: Registry) -> ElicitFile:
    """Read an elicitation file, and nothing that it names.

    Args:
        path: The TOML file.
        overrides: ``key=value`` each, laid over the file.
        registry: Where parts are looked up.

    Raises:
        RecipeError: All faults of the file.
    """
    given = document.read(path, overrides)
    read = Structure(registry).read(given, ElicitFile)
    faults = [given.fault(key, what) for key, what in _faults(read)]
    if faults:
        raise RecipeError(faults)
    return read


def verify_budget(file: ElicitFile, path: Path, budget: float | None, option: str) -> None:
    """Verify that what a budget is spent on has a price.

    Args:
        file: The file.
        path: Its path, for errors.
        budget: The budget.
        option: Where it comes from: a key of the file, or an option.

    Raises:
        RecipeError: A price is missing.
    """
    unpriced = sorted(file.asked - file.prices.keys()) if budget is not None else []
    if unpriced:
        raise RecipeError(
            [
                Fault(str(path), f"prices.{name}", f"is missing; {option} needs its input and output")
                for name in unpriced
            ]
        )


def _faults(file: ElicitFile) -> Iterator[tuple[tuple[str, ...], str]]:
    """Say what no single value shows."""
    if (file.images is None) == (file.data is None):
        yield (
            ("images",),
            f"either images or data names the images; {'neither' if file.images is None else 'both'} does",
        )
    if not file.generators:
        yield ("generators",), "must name at least one; it is empty"
    if file.ocr_engine is not None and file.ocr is None:
        yield ("ocr",), "is missing; it names the folder where what ocr_engine reads is kept"
    for kind, parts in (("generators", file.generators), ("judges", file.judges)):
        for key, part in parts.items():
            yield from ((((kind, key, "model"), what)) for what in _unknown(file, part.model or None, part.calls))
    if file.caption is not None:
        yield from ((("caption", "model"), what) for what in _unknown(file, file.caption.model, 1))
    for name in file.prices:
        if name not in file.models:
            yield ("prices", name), f"is no key of models; {Hint(name, tuple(file.models))}"
    for key, held in parts_in(file):
        yield from ((tuple(key.split(".")), what) for what in missing(held.requires))


def _unknown(file: ElicitFile, name: str | None, calls: int) -> Iterator[str]:
    if name is not None and name not in file.models:
        yield f"there is no chat model {name!r}; {Hint(name, tuple(file.models))}"
    elif calls and not file.models:
        yield "it asks a chat model; the table models holds none"

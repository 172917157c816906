"""A format of a file, and formats that break one promise each."""

from pathlib import Path

from attrs import frozen

from remgcl import Format, Published, PublishedPart, read_file
from remgcl.testing import conformance


@frozen(kw_only=True)
class Good(Format):
    """A linear projector alone."""

    def detect(self, source: Path) -> bool:
        """Go by the name."""
        return source.name.endswith(".bare.safetensors")

    def read(self, source: Path, *, base: str | None = None, tower: str | None = None) -> Published:
        """Read the file."""
        del base, tower
        return Published(projector=PublishedPart(table={"use": "linear"}, tensors=read_file(source)))


@frozen(kw_only=True)
class Greedy(Good):
    """Takes everything."""

    def detect(self, source: Path) -> bool:
        """Take it."""
        return source.exists()


@frozen(kw_only=True)
class Crashes(Good):
    """Raises whatever comes."""

    def read(self, source: Path, *, base: str | None = None, tower: str | None = None) -> Published:
        """Read what is not there."""
        del base, tower
        raise KeyError(str(source))


@frozen(kw_only=True)
class Invents(Good):
    """Makes a model of nothing."""

    def read(self, source: Path, *, base: str | None = None, tower: str | None = None) -> Published:
        """Make a projector without tensors."""
        del source, base, tower
        return Published(projector=PublishedPart(table={"use": "linear"}))


TestGood = conformance(Good())
TestGreedy = conformance(Greedy())
TestCrashes = conformance(Crashes())
TestInvents = conformance(Invents())

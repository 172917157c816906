"""Samples drawn from several datasets: so many of each, without replacement."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random

from attrs import evolve, field, frozen
from attrs.validators import ge, gt, min_len, optional

from remgcl import Census, DataError, Dataset, Sample, Samples

COUNTED = 2000
"""Most samples whose lengths are given for estimates."""

LISTED = 20
"""Most numbers of a source's samples that `remgcl check` prints; the folder of a run keeps all."""


@frozen(kw_only=True)
class Source:
    """One of the datasets of a mix.

    Attributes:
        data: The dataset.
        count: Samples that are drawn of it, without replacement; all without it. It must hold as many.
        weight: In place of `count`: its share of the mix's `samples`, relative to the other weights.
        repeat: How often each drawn sample occurs in the mix.
        name: What its ids begin with; `source-1` and so on by default.
    """

    data: Dataset
    count: int | None = field(default=None, validator=optional(ge(1)))
    weight: float | None = field(default=None, validator=optional(gt(0)))
    repeat: int = field(default=1, validator=ge(1))
    name: str = ""

    def __attrs_post_init__(self) -> None:
        """Refuse two ways to say how many."""
        if self.count is not None and self.weight is not None:
            raise ValueError("count and weight both say how many samples are drawn; give one of them")


@frozen(kw_only=True)
class Mix(Dataset):
    """Samples of several datasets, shuffled: so many of each, drawn by the seed without replacement.

    A sample stays as it is, its text regions included; its id is preceded by its source's name and a slash, so that
    none clash and none depends on what the other sources hold. `remgcl check` prints the first numbers of the samples
    that were drawn; the folder of a stage keeps all of them in `drawn.json`.

    Attributes:
        sources: The datasets, and how many samples of each are drawn.
        samples: Samples of the mix, repeats aside; needed where sources have weights.
        seed: Seeds the draw and the order.
    """

    sources: tuple[Source, ...] = field(validator=min_len(1))
    samples: int | None = field(default=None, validator=optional(ge(1)))
    seed: int = field(default=0, validator=ge(0))

    def __attrs_post_init__(self) -> None:
        """Verify that weights have a sum to share, and that names differ."""
        weighted = [source for source in self.sources if source.weight is not None]
        if bool(weighted) != (self.samples is not None):
            raise ValueError("samples is divided by the weights of sources; give both or neither")
        if weighted and len(weighted) < len(self.sources):
            raise ValueError("sources: some have a weight and some have none; give all a weight, or each a count")
        names = [name for name, often in Counter(map(self.name_of, range(len(self.sources)))).items() if often > 1]
        if names:
            raise ValueError(f"sources: two have the name {names[0]!r}; give each its own")

    def name_of(self, place: int) -> str:
        """Name a source.

        Args:
            place: Its place among the sources.
        """
        return self.sources[place].name or f"source-{place + 1}"

    def census(self) -> Census:
        """Count every source, and make sure that it holds as many samples as are drawn."""
        counted = [source.data.census() for source in self.sources]
        drawn = self.drawn([census.samples for census in counted])
        repeats = [source.repeat for source in self.sources]
        digest = hashlib.sha256(
            json.dumps(
                [[census.digest for census in counted], [list(places) for places in drawn], repeats, self.seed]
            ).encode()
        )
        notes = [note for census in counted for note in census.notes]
        names = [self.name_of(place) for place in range(len(counted))]
        within = {
            f"{name}/{inner}": places
            for name, census in zip(names, counted, strict=True)
            for inner, places in census.drawn.items()
        }
        lengths: list[int] = []
        for place, (source, census, places) in enumerate(zip(self.sources, counted, drawn, strict=True)):
            some = ", ".join(map(str, places[:LISTED])) + (", ..." if len(places) > LISTED else "")
            times = f", {source.repeat} times each" if source.repeat > 1 else ""
            notes.append(f"mix: {names[place]}: {len(places):,} of {census.samples:,} samples{times}: {some}")
            every = source.data.build().modality_lengths()
            lengths += [every[each] for each in places for _ in range(source.repeat)]
        return Census(
            samples=len(lengths),
            images=sum(length > 0 for length in lengths),
            digest=digest.hexdigest(),
            notes=tuple(notes),
            words=tuple(lengths[:: len(lengths) // COUNTED + 1]),
            drawn=dict(zip(names, drawn, strict=True)) | within,
        )

    def build(self) -> MixSamples:
        """Draw and shuffle; samples are read when they are asked for."""
        built = [source.data.build() for source in self.sources]
        drawn = self.drawn([len(samples) for samples in built])
        order = [
            (place, index)
            for place, (source, places) in enumerate(zip(self.sources, drawn, strict=True))
            for index in places
            for _ in range(source.repeat)
        ]
        Random(f"{self.seed} order").shuffle(order)
        return MixSamples(self, built, order)

    def drawn(self, sizes: Sequence[int]) -> list[tuple[int, ...]]:
        """Draw the samples of each source: their numbers, sorted.

        Args:
            sizes: How many samples each source holds.

        Raises:
            DataError: A source holds fewer than are drawn.
        """
        counts = list(self._counts(sizes))
        short = [place for place, size in enumerate(sizes) if counts[place] > size]
        if short:
            raise DataError(
                "\n".join(
                    f"dataset 'mix': {self.name_of(place)}: {counts[place]:,} samples are drawn without replacement; "
                    f"it holds {sizes[place]:,}; repeat takes each several times"
                    for place in short
                )
            )
        return [
            tuple(sorted(Random(f"{self.seed} {place}").sample(range(size), count)))
            for place, (size, count) in enumerate(zip(sizes, counts, strict=True))
        ]

    def _counts(self, sizes: Sequence[int]) -> Iterator[int]:
        """Return the number of samples of each source; shares are rounded so that their sum is right."""
        if self.samples is None:
            yield from (
                size if source.count is None else source.count for source, size in zip(self.sources, sizes, strict=True)
            )
            return
        weights = [source.weight or 0.0 for source in self.sources]
        ends = [round(self.samples * part / sum(weights)) for part in accumulate(weights)]
        yield from (end - begin for begin, end in zip([0, *ends], ends, strict=False))


class MixSamples:
    """The samples of a mix."""

    def __init__(self, mix: Mix, built: Sequence[Samples], order: Sequence[tuple[int, int]]) -> None:
        """Keep the sources.

        Args:
            mix: The dataset.
            built: The samples of each source.
            order: The source of each sample, and its number there.
        """
        self._mix = mix
        self._built = built
        self._order = order

    def __len__(self) -> int:
        """Count the samples."""
        return len(self._order)

    def __getitem__(self, index: int) -> Sample:
        """Read a sample from its source.

        Args:
            index: From 0 to the length.

        Raises:
            DataError: It cannot be read.
            IndexError: It is not in that range.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        place, number = self._order[index]
        sample = self._built[place][number]
        return evolve(sample, id=f"{self._mix.name_of(place)}/{sample.id}")

    def modality_lengths(self) -> Sequence[int]:
        """Return each sample's length in words, negative if it has no image."""
        lengths = [samples.modality_lengths() for samples in self._built]
        return [lengths[place][number] for place, number in self._order]

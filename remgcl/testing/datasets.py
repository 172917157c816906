"""What every dataset promises: samples that are valid, repeatable, and as many as it says."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

from remgcl.core.data.order import seeded
from remgcl.core.parts import Dataset, Samples
from remgcl.core.samples import Sample
from remgcl.testing.checks import PartChecks, broken
from remgcl.testing.regions import fault_of

LOOKED_AT = 20
"""Samples that are read, at even intervals."""


class Checks(PartChecks):
    """What every dataset promises."""

    def test_its_census_counts_what_it_builds(self, part: Dataset) -> None:
        """The census counts the samples, and those with an image."""
        census, samples = part.census(), part.build()
        lengths = samples.modality_lengths()
        counted, built = (census.samples, census.images), (len(samples), sum(length > 0 for length in lengths))
        if counted != built:
            raise broken(part, f"census: counts samples and images as {counted}; build has {built}; count those")
        strange = sorted({*census.words} - {*lengths})
        if strange:
            raise broken(part, f"census: words: {strange[0]} is the length of no sample; take some of modality_lengths")

    def test_its_digest_stays(self, part: Dataset) -> None:
        """The digest changes if and only if the records change; otherwise finished stages would be refused."""
        one, other = part.census().digest, part.census().digest
        if one != other or not one:
            raise broken(part, f"census: the digest is {one!r}, then {other!r}; make it of the records alone")

    def test_its_samples_are_conversations(self, part: Dataset) -> None:
        """User and assistant alternate, the assistant has the last turn, no turn is empty, and a sample has an id."""
        for _, sample in _read(part.build()):
            roles = [turn.role for turn in sample.turns]
            if not sample.id or not roles or roles != ["user", "assistant"] * (len(roles) // 2):
                raise broken(part, f"sample {sample.id!r}: its turns are {roles}; user and assistant alternate, by id")
            if any(not turn.text for turn in sample.turns if turn.role == "assistant"):
                raise broken(part, f"sample {sample.id!r}: an answer is empty; leave the sample out")

    def test_an_image_is_shown_once_and_in_rgb(self, part: Dataset) -> None:
        """A sample with an image shows it in exactly one turn, other samples in none. Images are RGB."""
        for _, sample in _read(part.build()):
            shown = sum(turn.image for turn in sample.turns)
            if shown != (sample.image is not None):
                has = "an image" if sample.image else "no image"
                raise broken(part, f"sample {sample.id!r}: has {has}, and {shown} of its turns show one; mark one turn")
            if sample.image and sample.image.mode != "RGB":
                raise broken(part, f"sample {sample.id!r}: its image is {sample.image.mode}; convert it to RGB")

    def test_regions_lie_in_the_image(self, part: Dataset) -> None:
        """A region has a text, four corners in the image, clockwise, and a confidence from 0 to 1."""
        for _, sample in _read(part.build()):
            for region in sample.regions:
                fault = "the sample has no image" if not sample.image else fault_of(region, sample.image.size)
                if fault:
                    raise broken(part, f"sample {sample.id!r}: region {region.text!r}: {fault}")

    def test_a_sample_is_the_same_each_time(self, part: Dataset) -> None:
        """Randomness depends only on the seed that is set, so that a resumed stage sees the same samples."""
        samples = part.build()
        for place, _ in _read(samples):
            one, other = _seeded(samples, place), _seeded(part.build(), place)
            if _content(one) != _content(other):
                raise broken(
                    part,
                    f"sample {one.id!r}: differs each time; draw from random, numpy or torch as they are seeded",
                )

    def test_lengths_tell_the_kind_of_each_sample(self, part: Dataset) -> None:
        """`modality_lengths` has a number for each sample: its length in words, negative without an image."""
        samples = part.build()
        lengths = samples.modality_lengths()
        if len(lengths) != len(samples):
            raise broken(
                part, f"modality_lengths: returns {len(lengths)} lengths of {len(samples)} samples; return one for each"
            )
        for place, sample in _read(samples):
            if lengths[place] == 0 or (lengths[place] > 0) != (sample.image is not None):
                has = "an image" if sample.image else "no image"
                raise broken(
                    part,
                    f"modality_lengths: sample {sample.id!r} has {has}, and the length {lengths[place]}; "
                    "count its words, negative without an image",
                )

    def test_its_samples_go_to_loader_workers(self, part: Dataset) -> None:
        """Samples are read in loader workers, so the result of `build` can be pickled and reads the same there."""
        samples = part.build()
        try:
            sent = pickle.loads(pickle.dumps(samples))  # noqa: S301 - of our own making
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise broken(
                part, f"build: the samples cannot be pickled: {error}; open files when they are read"
            ) from error
        if _content(_seeded(samples, 0)) != _content(_seeded(sent, 0)):
            raise broken(part, "build: a sample differs once the samples are pickled; keep all of their state")


def _read(samples: Samples) -> Iterator[tuple[int, Sample]]:
    """Read some samples, evenly spread, as a loader worker does."""
    for place in range(0, len(samples), -(-len(samples) // LOOKED_AT) or 1):
        yield place, _seeded(samples, place)


def _seeded(samples: Samples, place: int) -> Sample:
    with seeded(0, 0, place):
        return samples[place]


def _content(sample: Sample) -> tuple[object, ...]:
    """Return what a sample holds, to be compared."""
    pixels = sample.image and (sample.image.size, sample.image.tobytes())
    return sample.id, sample.turns, sample.regions, sample.content, sample.stands_in_for, pixels

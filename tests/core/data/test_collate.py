"""Collating: examples to one batch, with a place for every token of every image."""

import pickle
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from remgcl import Batch, PatchGrid, Region, Sample, TowerSpec
from remgcl.core.data.collate import Collator
from remgcl.core.data.encode import Encoder, Example, Image, RegionTokens
from remgcl.core.data.tokens import IGNORED, IMAGE, Tokens

CORNERS = ((0.0, 0.0), (20.0, 0.0), (20.0, 15.0), (0.0, 15.0))
COLOURS = (0.5, 0.5, 0.5)
PATCHES = TowerSpec(
    width=3,
    size=(4, 6),
    grid=PatchGrid(rows=2, columns=3, patch=(2, 2)),
    class_token=False,
    mean=COLOURS,
    std=COLOURS,
)
CLASS_AND_PATCHES = evolve(PATCHES, class_token=True)


def picture(seed: int, regions: int) -> Image:
    """Make an image with as many regions; all its numbers are random."""
    random = np.random.default_rng(seed)
    return Image(
        pixels=random.integers(0, 256, (3, 4, 6), dtype=np.uint8),
        key=seed - 50,
        patch_mask=random.random(6) < 0.5,
        regions=RegionTokens(
            places=np.arange(regions),
            patch_weights=random.random((regions, 6)).astype(np.float32),
            ids=tuple(random.integers(1, 99, random.integers(1, 4)) for _ in range(regions)),
            keys=random.integers(-(2**63), 2**63 - 1, regions),
            confidence=random.random(regions).astype(np.float32),
            dropped=int(random.integers(0, 3)),
        ),
    )


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Make an example of any length, image or none, learned and kept tokens anywhere."""
    length = draw(st.integers(1, 8))
    ids = np.array(draw(st.lists(st.integers(0, 99), min_size=length, max_size=length)), dtype=np.int64)
    learned = np.array(draw(st.lists(st.booleans(), min_size=length, max_size=length)))
    kept = learned & np.array(draw(st.lists(st.booleans(), min_size=length, max_size=length)))
    labels = np.where(learned, ids, IGNORED)
    image = None
    if draw(st.booleans()):
        at = draw(st.integers(0, length))
        ids, labels = np.insert(ids, at, IMAGE), np.insert(labels, at, IGNORED)
        kept = np.insert(kept, at, values=False)
        image = picture(draw(st.integers(0, 99)), draw(st.integers(0, 3)))
    return Example(
        tokens=Tokens(ids=ids, labels=labels, cut=draw(st.integers(0, 2))),
        kept=kept,
        key=draw(st.integers(-(2**63), 2**63 - 1)),
        image=image,
        replaced=draw(st.integers(0, 2)),
    )


def written(example: Example, image_tokens: int) -> list[tuple[int, int, bool]]:
    """Write an example out, id, label and kept a token, its image as so many tokens."""
    tokens = example.tokens
    rows = zip(tokens.ids.tolist(), tokens.labels.tolist(), example.kept.tolist(), strict=True)
    return [row for row in rows for _ in range(image_tokens if row[0] == IMAGE else 1)]


batches = st.lists(examples(), min_size=1, max_size=4)
collators = st.builds(Collator, st.sampled_from([PATCHES, CLASS_AND_PATCHES]), st.booleans())


@given(batches, collators)
def test_each_sample_is_a_row_padded_on_one_side_with_a_place_for_each_token_of_its_image(
    given_examples: list[Example], collator: Collator
) -> None:
    batch = collator(given_examples)

    rows = [written(example, collator.tower.tokens) for example in given_examples]
    longest = max(map(len, rows))
    assert batch["ids"].shape == batch["labels"].shape == batch["attention_mask"].shape == (len(rows), longest)
    slots = batch["image_slots"].tolist()
    for at, row in enumerate(rows):
        start = longest - len(row) if collator.left else 0
        here = slice(start, start + len(row))
        assert batch["attention_mask"][at].sum() == batch["attention_mask"][at, here].sum() == len(row)
        assert batch["ids"][at, here].tolist() == [max(number, 0) for number, _, _ in row]
        first_of_all = [] if start else [IGNORED]  # nothing comes before it to predict it from
        labels = [label for _, label, _ in row]
        assert batch["labels"][at, here].tolist() == first_of_all + labels[len(first_of_all) :]
        padding = batch["attention_mask"][at] == 0
        assert not batch["ids"][at][padding].any()
        assert (batch["labels"][at][padding] == IGNORED).all()
        own = [slot - at * longest - start for slot in slots if at * longest <= slot < (at + 1) * longest]
        assert own == [place for place, (number, _, _) in enumerate(row) if number == IMAGE]
    assert slots == sorted(slots)


@given(batches, collators)
def test_the_slots_name_the_supervised_tokens_in_order_at_once_and_a_sample_a_row(
    given_examples: list[Example], collator: Collator
) -> None:
    batch = collator(given_examples)

    labels = batch["labels"].flatten()
    assert batch["label_slots"].tolist() == torch.nonzero(labels != IGNORED).flatten().tolist()
    assert not (batch["label_slots"] % batch["labels"].shape[1] == 0).any()
    learned = batch["labels"] != IGNORED
    assert batch["answer_slots"].shape == batch["answer_mask"].shape == (len(given_examples), learned.sum(1).max())
    for at, example in enumerate(given_examples):
        count = int(learned[at].sum())
        own = batch["answer_slots"][at, :count]
        assert labels[own].tolist() == batch["labels"][at][learned[at]].tolist()
        assert (own // batch["labels"].shape[1] == at).all()
        assert not batch["answer_slots"][at, count:].any()
        assert not batch["answer_mask"][at, count:].any()
        row = written(example, collator.tower.tokens)
        first = 0 if collator.left and len(row) < batch["labels"].shape[1] else 1  # the first of all is not learned
        expected = [kept for _, label, kept in row[first:] if label != IGNORED]
        assert batch["answer_mask"][at, :count].tolist() == expected


@given(batches, collators)
def test_images_and_regions_are_joined_in_the_order_of_their_samples(
    given_examples: list[Example], collator: Collator
) -> None:
    batch = collator(given_examples)

    owners = [(at, example.image) for at, example in enumerate(given_examples) if example.image is not None]
    assert batch["image_sample"].tolist() == [at for at, _ in owners]
    assert batch["image_key"].tolist() == [image.key for _, image in owners]
    assert batch["answer_key"].tolist() == [example.key for example in given_examples]
    assert batch["patch_mask"].tolist() == [image.patch_mask.tolist() for _, image in owners]
    if owners:
        assert (batch["pixels"].numpy() == np.stack([image.pixels for _, image in owners])).all()
    expected = [
        (place, weights.tolist(), ids.tolist(), key, confidence)
        for place, (_, image) in enumerate(owners)
        for weights, ids, key, confidence in zip(
            image.regions.patch_weights,
            image.regions.ids,
            image.regions.keys.tolist(),
            image.regions.confidence.tolist(),
            strict=True,
        )
    ]
    texts = [
        batch["region_ids"][batch["region_of_id"] == region].tolist() for region in range(len(batch["region_image"]))
    ]
    found = zip(
        batch["region_image"].tolist(),
        batch["region_patch_weights"].tolist(),
        texts,
        batch["region_text_key"].tolist(),
        batch["region_confidence"].tolist(),
        strict=True,
    )
    assert list(found) == expected
    assert batch["region_of_id"].tolist() == sorted(batch["region_of_id"].tolist())
    rows = batch["region_of_image"].tolist()
    owners = batch["region_image"].tolist()
    assert [[place for place in row if place < len(owners)] for row in rows] == [
        [place for place, owner in enumerate(owners) if owner == image] for image in range(len(rows))
    ]
    assert len(rows) == len(batch["image_sample"])
    slots = batch["region_slots"]
    assert slots.shape == (max(len(texts), 1), max([1, *map(len, texts)]))
    padded = torch.cat([batch["region_ids"], torch.tensor([-1])])[slots].tolist()  # -1 is the last
    longest = slots.shape[1]
    assert padded == ([text + [-1] * (longest - len(text)) for text in texts] or [[-1]])


@given(batches)
def test_what_was_left_out_is_counted(given_examples: list[Example]) -> None:
    cut, replaced, dropped = Collator(PATCHES)(given_examples)["counts"].tolist()

    assert cut == sum(example.tokens.cut > 0 for example in given_examples)  # conversations, not tokens
    assert replaced == sum(example.replaced for example in given_examples)
    assert dropped == sum(example.image.regions.dropped for example in given_examples if example.image is not None)


@given(batches)
def test_every_tensor_of_a_batch_is_there_and_of_its_kind_whatever_the_batch_holds(
    given_examples: list[Example],
) -> None:
    batch = Collator(PATCHES)(given_examples)

    assert list(batch) == list(Batch.__annotations__)
    others = {
        "pixels": torch.uint8,
        "patch_mask": torch.bool,
        "answer_mask": torch.bool,
        "region_patch_weights": torch.float32,
        "region_confidence": torch.float32,
    }
    assert {name: tensor.dtype for name, tensor in batch.items()} == {  # type: ignore[attr-defined]
        name: others.get(name, torch.int64) for name in batch
    }
    assert batch["region_patch_weights"].shape[1] == batch["patch_mask"].shape[1] == 6


def test_a_batch_of_text_alone_has_one_black_image_that_belongs_to_no_sample(
    encoder: Encoder, ask: Callable[..., Sample]
) -> None:
    batch = Collator(encoder.tower)([encoder(ask(size=None)), encoder(ask("no", size=None))])

    assert batch["pixels"].shape == (1, 3, 32, 32)
    assert not batch["pixels"].any()
    for name in ("image_sample", "image_key", "image_slots", "region_image", "region_ids", "region_text_key"):
        assert batch[name].shape == (0,)  # type: ignore[literal-required]
    assert batch["patch_mask"].shape == batch["region_patch_weights"].shape == (0, 16)


def test_a_batch_with_an_image_has_no_other(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    batch = Collator(encoder.tower)([encoder(ask(size=None)), encoder(ask())])

    assert batch["pixels"].shape == (1, 3, 32, 32)
    assert batch["pixels"].any()
    assert batch["image_sample"].tolist() == [1]


def test_a_batch_without_answers_has_no_slots(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    batch = Collator(encoder.tower, left=True)([encoder.prompt(ask()), encoder.prompt(ask("no", "And then?"))])

    assert batch["label_slots"].shape == (0,)
    assert batch["answer_slots"].shape == batch["answer_mask"].shape == (2, 0)


def test_what_a_filter_drops_is_masked_and_still_learned(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    picky = evolve(encoder, keep=lambda ids: ids != ids[0])

    batch = Collator(encoder.tower)([picky(ask("yes"))])

    assert batch["answer_mask"].tolist() == [[False, True, True, True, True]]
    assert len(batch["label_slots"]) == 5


def test_padding_on_the_right_is_the_default(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    batch = Collator(encoder.tower)([encoder(ask("yes")), encoder(ask("yes, of course"))])

    assert batch["attention_mask"][0, 0] == 1
    assert batch["attention_mask"][0, -1] == 0


def test_a_collator_can_be_sent_to_a_loader_worker(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    collator = Collator(encoder.tower, left=True)
    example = encoder(ask(regions=(Region("KFC", CORNERS),)))

    here, there = collator([example]), pickle.loads(pickle.dumps(collator))([example])  # noqa: S301 - our own bytes

    assert all(torch.equal(tensor, there[name]) for name, tensor in here.items())  # type: ignore[arg-type]


def test_a_batch_shares_no_memory_with_the_examples(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    example = encoder(ask(regions=(Region("KFC", CORNERS),)))
    assert example.image is not None
    before = example.image.pixels.copy(), example.image.regions.patch_weights.copy(), example.tokens.ids.copy()

    for tensor in Collator(encoder.tower)([example]).values():
        tensor.zero_()  # type: ignore[attr-defined]

    after = example.image.pixels, example.image.regions.patch_weights, example.tokens.ids
    assert all((one == other).all() for one, other in zip(before, after, strict=True))


def test_the_published_batch_is_reproduced(published: SimpleNamespace) -> None:
    batch, arrays = published.batch, published.arrays

    assert batch["labels"].tolist() == arrays["spliced_labels"].tolist()
    length = arrays["attention_mask"].sum(axis=1) + published.spec.grid.patches - 1
    assert batch["attention_mask"].sum(1).tolist() == length.tolist()
    for at, (mask, ids) in enumerate(zip(arrays["attention_mask"], arrays["input_ids"], strict=True)):
        present = batch["ids"][at][batch["attention_mask"][at] == 1]
        assert present[present != 0].tolist() == [number for number in ids[mask].tolist() if number > 0]
    assert batch["region_image"].tolist() == [0] * 1 + [1] * 3 + [2] * 43
    assert batch["counts"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_tokens_of_an_image_are_next_to_each_other(side: str, encoder: Encoder, ask: Callable[..., Sample]) -> None:
    batch = Collator(encoder.tower, side == "left")([encoder(ask("yes")), encoder(ask("a longer answer"))])

    slots = batch["image_slots"].view(2, 16)
    assert (slots.diff(dim=1) == 1).all()
    assert (slots // batch["ids"].shape[1]).tolist() == [[0] * 16, [1] * 16]

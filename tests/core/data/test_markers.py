"""Tokens around the image: where they stand, what their rows hold, and that they are kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from attrs import evolve
from rich.console import Console

from remgcl import Piece, Recipe, RunFolder, Sample
from remgcl.core.data.encode import Encoder
from remgcl.core.data.markers import END, START, make_room, mark, teach
from remgcl.core.data.tokens import IMAGE
from remgcl.core.training.job import Job
from remgcl.plugins.backbones.tiny import TinyBackbone

Read = Callable[..., Recipe]


def begun(recipe: Recipe, run: RunFolder, stage: str, after: str | None = None) -> Job:
    """Make the job of a stage, with a quiet console."""
    start = run.stage(after) if after else None
    inputs: dict[str, Any] = {name: {} for name in ("vision_tower", "projector", "backbone")}
    run.stage(stage).begin(inputs)
    return Job(recipe=recipe, name=stage, run=run, start=start, inputs=inputs, console=Console(quiet=True))


def test_they_stand_right_before_and_after_the_image() -> None:
    pieces = (Piece("a"), Piece(image=True), Piece("\nb", learned=True))
    assert list(mark(pieces)) == [Piece("a"), Piece(START), Piece(image=True), Piece(END), Piece("\nb", learned=True)]


def test_each_is_one_token_that_is_not_learned(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    tokenizer = teach(TinyBackbone().build_tokenizer())
    start, end = tokenizer.convert_tokens_to_ids([START, END])
    marked = evolve(encoder, tokenizer=tokenizer, image_markers=True)(ask()).tokens
    plain = evolve(encoder, tokenizer=tokenizer)(ask()).tokens
    place = marked.ids.tolist().index(IMAGE)
    assert marked.ids[place - 1 : place + 2].tolist() == [start, IMAGE, end]
    assert marked.labels[place - 1 : place + 2].tolist() == [-100] * 3
    assert [token for token in marked.ids.tolist() if token not in (start, end)] == plain.ids.tolist()


def test_a_sample_without_image_has_none(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    marked = evolve(encoder, tokenizer=teach(TinyBackbone().build_tokenizer()), image_markers=True)
    assert marked(ask(size=None)).tokens.ids.tolist() == encoder(ask(size=None)).tokens.ids.tolist()


@pytest.mark.parametrize("tied", [True, False])
def test_their_rows_are_the_mean_of_all_others_and_the_others_stay(tied: bool) -> None:  # noqa: FBT001 - a parameter
    backbone: Any = TinyBackbone(width=16, heads=2, tied=tied).build()
    before = [table.weight.clone() for table in (backbone.get_input_embeddings(), backbone.get_output_embeddings())]
    tokenizer = teach(TinyBackbone().build_tokenizer())
    make_room(backbone, tokenizer)
    rows = tokenizer.convert_tokens_to_ids([START, END])
    for old, table in zip(before, (backbone.get_input_embeddings(), backbone.get_output_embeddings()), strict=True):
        assert len(table.weight) == len(old) + 2
        assert torch.equal(table.weight[: len(old)], old)
        assert torch.allclose(table.weight[rows], old.mean(dim=0).expand(2, -1), atol=1e-7)


def test_a_stage_learns_them_and_the_next_one_goes_on(read: Read, tmp_path: Path) -> None:
    recipe = read("backbone.image_markers=true")
    run = RunFolder(tmp_path)
    job = begun(recipe, run, "pretrain")
    objective = job.build_objective(job.build_model())
    table = objective.model.backbone.get_input_embeddings().weight
    rows = job.tokenizer.convert_tokens_to_ids([START, END])
    with torch.no_grad():
        table[rows] = 7.0
    job.finish(objective, {})
    later = begun(recipe, run, "tune", after="pretrain").build_model()
    assert (later.backbone.get_input_embeddings().weight[rows] == 7).all()


def test_a_batch_with_them_has_a_loss(read: Read, tmp_path: Path) -> None:
    job = begun(read("backbone.image_markers=true"), RunFolder(tmp_path), "pretrain")
    examples = job.build_examples()
    total, _ = job.build_objective(job.build_model())(job.collator([examples[0], examples[1]]))
    assert total.isfinite()

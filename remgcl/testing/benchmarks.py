"""What every benchmark promises: questions that can be asked and scored by each protocol, and how to get its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from attrs import evolve

from remgcl.core.errors import DataError, RemgclError
from remgcl.core.evaluation.task import make_task
from remgcl.core.parts import Benchmark, BenchmarkQuestion
from remgcl.testing.checks import PartChecks, broken, engine_with


class Checks(PartChecks):
    """What every benchmark promises."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The folder with the files of the benchmark; a subclass gives it, where there are files."""
        return tmp_path

    def test_a_missing_file_is_an_error_that_says_how_to_obtain_it(self, part: Benchmark, tmp_path: Path) -> None:
        """In an empty folder, a benchmark without files of its own raises an error with the words of `obtain`."""
        empty = tmp_path / "nothing"
        empty.mkdir()
        for protocol in part.protocols().values():
            try:
                part.questions(empty, protocol.split)
            except RemgclError as error:
                if part.obtain and part.obtain not in str(error):
                    raise broken(part, f"questions: raises {str(error)!r}; say how to obtain the files") from error
            except Exception as error:
                raise broken(part, f"questions: raises {error!r} where files are missing; raise DataError") from error
        if part.obtain and not part.licence:
            raise broken(part, "licence: is empty; name the terms of the files")

    def test_its_questions_have_ids_of_their_own_and_stay(self, part: Benchmark, folder: Path) -> None:
        """No two questions have one id, and reading them again gives the same."""
        for protocol in part.protocols().values():
            one, other = (_questions(part, folder, protocol.split) for _ in range(2))
            twice = [name for name, count in Counter(question.id for question in one).items() if count > 1]
            if twice:
                raise broken(part, f"questions: {twice[0]!r} stands twice; make an id of each")
            if [_told(question) for question in one] != [_told(question) for question in other]:
                raise broken(part, "questions: are others when they are read again; leave chance out of it")

    def test_each_protocol_asks_and_scores_its_questions(self, part: Benchmark, folder: Path) -> None:
        """The rule of each protocol is there and can score every question, and its template has what it names."""
        for name, protocol in part.protocols().items():
            _questions(part, folder, protocol.split)
            try:
                make_task("it", evolve(part, protocol=name), partial(engine_with(part).part, "metrics"), folder)
            except RemgclError as error:
                raise broken(part, f"protocol {name!r}: {error}") from error

    def test_its_images_can_be_read(self, part: Benchmark, folder: Path) -> None:
        """The image of a question is in its file, or its content is that of an image file."""
        from remgcl.core.evaluation.evaluate import image_of

        for protocol in part.protocols().values():
            for question in _questions(part, folder, protocol.split)[:5]:
                try:
                    image_of(question)
                except RemgclError as error:
                    raise broken(part, f"question {question.id!r}: {error}") from error


def _questions(part: Benchmark, folder: Path, split: str) -> Sequence[BenchmarkQuestion]:
    try:
        return part.questions(folder, split)
    except DataError as error:
        if any(folder.iterdir()) or not part.obtain:
            raise
        pytest.skip(f"there are no files; give them by a fixture 'folder': {error}")


def _told(question: BenchmarkQuestion) -> tuple[object, ...]:
    picture = question.picture.name if question.picture else None
    return question.id, question.text, question.answers, picture, question.type, dict(question.fields)

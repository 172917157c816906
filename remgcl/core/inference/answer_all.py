"""A question file answered by a model, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from remgcl.core.errors import DataError, RequestError
from remgcl.core.files.images import ImageFolder
from remgcl.core.inference.answer_file import AnswerFile, Asked
from remgcl.core.inference.question import Question
from remgcl.core.samples import Turn

if TYPE_CHECKING:
    from remgcl.core.inference.loaded import LoadedModel
    from remgcl.core.model.decoding import Decoding
    from remgcl.core.model.generate import Prompt


def answer_questions(  # noqa: PLR0913 - all that decides the answers
    model: LoadedModel,
    questions: Sequence[Asked],
    *,
    images: ImageFolder,
    file: AnswerFile,
    decoding: Decoding,
    batch_size: int,
    report: Callable[[int, int], None],
) -> int:
    """Answer the questions that have no answer in a file yet.

    A question whose image cannot be read gets an empty answer and its error, and stops nothing.

    Args:
        model: The model.
        questions: All questions of the file, in order.
        images: The folder of their images.
        file: Where the answers go.
        decoding: How they are decoded.
        batch_size: Questions answered at once.
        report: Called after each batch with the number of questions that are done, and of those that failed.

    Returns:
        The number of questions that failed now.

    Raises:
        DataError: The file holds answers to other questions.
        RunError: The file cannot be written.
    """
    failed = 0
    for start in range(file.resume(questions), len(questions), batch_size):
        batch = questions[start : start + batch_size]
        prompts: dict[int, Prompt] = {}
        errors: dict[int, str] = {}
        for place, question in enumerate(batch):
            try:
                prompts[place] = model.prepare(_question(question, images), decoding)
            except (DataError, RequestError) as error:
                errors[place] = str(error)
        answers = model.decode([*prompts.values()]) if prompts else []
        texts = {place: answer.text for place, answer in zip(prompts, answers, strict=True)}
        file.add([(question, texts.get(place, ""), errors.get(place, "")) for place, question in enumerate(batch)])
        failed += len(errors)
        report(start + len(batch), failed)
    return failed


def _question(asked: Asked, images: ImageFolder) -> Question:
    """Open the image of a question."""
    image = None if asked.image is None else images.load(asked.image)[0]
    return Question((Turn("user", asked.text, image=image is not None),), image)

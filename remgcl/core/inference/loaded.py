"""A loaded model that answers questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
from attrs import define, evolve, field

from remgcl.core.data.ending import Ending, ending_of
from remgcl.core.errors import RequestError
from remgcl.core.inference.answer import Answer
from remgcl.core.inference.images import ImageSource
from remgcl.core.inference.question import Message, Question, asked, from_messages
from remgcl.core.inference.stream import stream
from remgcl.core.model.decoding import DEFAULT_NEW_TOKENS, Decoding
from remgcl.core.samples import Sample, Turn

if TYPE_CHECKING:
    from remgcl.core.data.encode import Encoder, Example
    from remgcl.core.model.answering import Answering
    from remgcl.core.model.generate import Prompt, Watch
    from remgcl.core.model.model import Model
    from remgcl.core.parts import Template
    from remgcl.core.recipe.recipe import Recipe

Asked: TypeAlias = Question | str | tuple[ImageSource | None, str] | Sequence[Message]
"""A question: itself, a text, an image and a text, or messages."""

SHARE = 4
"""Without a named length, an answer may take at least this part of the context (one over it)."""


@define(kw_only=True, eq=False)
class LoadedModel:
    """A model with its tokenizer and template, ready to answer.

    Answers are greedy unless a temperature is given, whatever the weights'
    `generation_config.json` says, and do not depend on what else is in a batch.

    Attributes:
        name: What a server calls it.
        recipe: The recipe that it is built by.
        stage: The stage whose template and image settings it uses.
        model: Tower, projector and backbone, in evaluation mode.
        encoder: Encodes conversations; holds the tokenizer and the template.
        context: Longest sequence in tokens, answer included.
        provenance: Where it comes from.
    """

    name: str
    recipe: Recipe
    stage: str
    model: Model
    encoder: Encoder
    context: int
    provenance: Mapping[str, Any] = field(factory=dict)
    _lock: Lock = field(factory=Lock, init=False)

    @property
    def tokenizer(self) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
        """The backbone's tokenizer."""
        return self.encoder.tokenizer

    @property
    def template(self) -> Template:
        """The template that conversations are written by."""
        return self.encoder.template

    @property
    def ending(self) -> Ending:
        """How the template ends an answer."""
        return ending_of(self.template, self.tokenizer)

    def ask(self, image: ImageSource | None, question: str, **decoding: Any) -> Answer:  # noqa: ANN401 - fields of Decoding
        """Ask one question about an image.

        Args:
            image: A path, bytes, a data URL or an opened image; None asks without one.
            question: The question.
            **decoding: Fields of `Decoding`, such as `max_new_tokens` and `temperature`.

        Raises:
            DataError: The image cannot be read.
            RequestError: The question or a setting cannot be used.
        """
        return self.generate([asked(question, image)], **decoding)[0]

    def chat(self, messages: Sequence[Message], **decoding: Any) -> Answer:  # noqa: ANN401 - fields of Decoding
        """Answer the last message of a conversation.

        Args:
            messages: As OpenAI's chat API has them, with content parts for the image.
            **decoding: Fields of `Decoding`.

        Raises:
            DataError: The image cannot be read.
            RequestError: The messages or a setting cannot be used.
        """
        return self.generate([from_messages(messages)], **decoding)[0]

    def stream(self, question: Asked, **decoding: Any) -> Iterator[str]:  # noqa: ANN401 - fields of Decoding
        """Answer a question piece by piece; leaving the iterator ends the generation.

        Args:
            question: A question, a text, an image and a text, or messages.
            **decoding: Fields of `Decoding`.

        Raises:
            DataError: The image cannot be read.
            RequestError: The question or a setting cannot be used.
        """
        prompt = self.prepare(question, Decoding(**_named(decoding)))
        return stream(lambda watch: self.decode([prompt], watch))

    def generate(self, questions: Sequence[Asked], *, batch_size: int = 8, **decoding: Any) -> list[Answer]:  # noqa: ANN401 - fields of Decoding
        """Answer many questions; no answer depends on the other questions.

        Args:
            questions: Questions, texts, pairs of image and text, or lists of messages.
            batch_size: Questions answered at once.
            **decoding: Fields of `Decoding`; a seed is that of each question.

        Returns:
            The answers, in the order of the questions.

        Raises:
            DataError: An image cannot be read.
            RequestError: A question or a setting cannot be used.
        """
        if batch_size < 1:
            raise RequestError(f"batch_size: must be at least 1; it is {batch_size!r}")
        settings = Decoding(**_named(decoding))
        prompts = [self.prepare(question, settings) for question in questions]
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place].example.tokens.ids))
        answers: dict[int, Answer] = {}
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            chosen = [prompts[place] for place in places]
            answers |= zip(places, map(Answer.of, chosen, self.decode(chosen)), strict=True)
        return [answers[place] for place in range(len(prompts))]

    def prepare(self, question: Asked, decoding: Decoding) -> Prompt:
        """Encode a question for `decode`; may be called from any thread.

        Args:
            question: A question, a text, an image and a text, or messages.
            decoding: How its answer is decoded.

        Raises:
            DataError: The image cannot be read, or leaves no room for text.
            RequestError: The question cannot be used, or its answer is longer than the context.
        """
        from remgcl.core.model.generate import Prompt

        chosen = _question(question)
        encoder = self._encoder(chosen)
        reserved = decoding.max_new_tokens or min(DEFAULT_NEW_TOKENS, max(self.context // SHARE, 1))
        room = self.context - reserved
        if room < 1 + (self.encoder.tower.tokens if chosen.image else 0):
            raise RequestError(
                f"max_new_tokens: {reserved} leave no room for a question; the context has {self.context} tokens"
            )
        sample = Sample("question", (*chosen.turns, Turn("assistant", "")), chosen.image)
        example = evolve(encoder, max_length=room).prompt(sample)
        limit = decoding.max_new_tokens or min(DEFAULT_NEW_TOKENS, self.context - self.length(example))
        return Prompt(example=example, decoding=decoding, limit=limit)

    def length(self, example: Example) -> int:
        """Count the tokens of an example, those of the image included.

        Args:
            example: An encoded conversation.
        """
        return len(example.tokens.ids) + (self.encoder.tower.tokens - 1 if example.image else 0)

    def decode(self, prompts: Sequence[Prompt], watch: Watch | None = None) -> list[Answering]:
        """Answer prepared questions in one batch; one batch at a time.

        Args:
            prompts: What `prepare` returned, at least one.
            watch: Sees each answer after each of its tokens, and may cancel it.

        Raises:
            RunError: The logits are NaN.
        """
        from remgcl.core.model.generate import generate

        with self._lock:
            return generate(self.model, prompts, self.tokenizer, self.ending, watch)

    def _encoder(self, question: Question) -> Encoder:
        """Return the encoder, with the template's system text replaced where the question has its own."""
        if question.system is None:
            return self.encoder
        if not any(known.name == "system" for known in attrs.fields(type(self.template))):
            raise RequestError("messages[0]: the template has no system text; leave the system message out")
        return evolve(self.encoder, template=evolve(self.template, system=question.system))  # type: ignore[call-arg]


def _question(given: Asked) -> Question:
    """Make a question of what a caller gave."""
    if isinstance(given, Question):
        return given
    if isinstance(given, str):
        return asked(given)
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], str):  # noqa: PLR2004 - a pair
        return asked(given[1], given[0])
    return from_messages(given)  # it says what is wrong with another form


def _named(decoding: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse settings that do not exist, and let `stop` be one text."""
    known = [known.name for known in attrs.fields(Decoding)]
    for name in decoding:
        if name not in known:
            from remgcl.core.errors import Hint

            raise RequestError(f"no setting {name!r}; {Hint(name, tuple(known))}")
    stop = decoding.get("stop", ())
    return {**decoding, "stop": (stop,) if isinstance(stop, str) else tuple(stop)}

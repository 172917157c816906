"""Questions of a language model that need reading, knowledge and steps: REMGCL's reasoning elicitation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from attrs import field, frozen
from attrs.validators import ge

from remgcl import Ask, Candidate, ChatRequest, Evidence, Generator, ReplyError, TextLayout, quoted, showing
from remgcl.plugins.generators.prompts import ALONE, ANSWER, EXAMPLES, MARKS, QUESTION_ALONE, SYSTEM, checked, pair_of


@frozen(kw_only=True)
class Reasoning(Generator):
    """Ask a chat model for a question about the image whose answer needs its text, knowledge and several steps.

    The model gets the lines of text, the caption if the file has one, and the image itself if it takes images. What the
    image says is enclosed as data, whatever it says. The instructions are REMGCL's (`2285443514/REMGCL: data/`) in
    meaning, with two worked examples that need the text.

    Attributes:
        layout: How lines of text are written: `published` with four corners and the confidence, as REMGCL does, or
            `compact` with one position, which takes about a sixth of the tokens.
        order: Whether one call gives question and answer, or a second call answers the question of the first.
        per_image: Questions about an image, each a draw of its own.
        least_lines: Images with fewer lines of text are left out.
        max_tokens: Longest reply in tokens.
        temperature: Of sampling.
    """

    layout: TextLayout = "compact"
    order: Literal["together", "question_first"] = "together"
    per_image: int = field(default=1, validator=ge(1))
    least_lines: int = field(default=1, validator=ge(0))
    max_tokens: int = field(default=512, validator=ge(1))
    temperature: float = field(default=0.7, validator=ge(0))

    async def __call__(self, evidence: Evidence, ask: Ask) -> Sequence[Candidate]:
        """Ask for each question."""
        if len(evidence.regions) < self.least_lines:
            return []
        return [await self._one(evidence, ask, draw) for draw in range(self.per_image)]

    @property
    def calls(self) -> int:
        """One for each question, or two."""
        return self.per_image * (2 if self.order == "question_first" else 1)

    @property
    def most(self) -> int:
        """As many as an image may have."""
        return self.per_image

    async def _one(self, evidence: Evidence, ask: Ask, draw: int) -> Candidate:
        known = quoted(evidence, self.layout)
        if self.order == "together":
            reply = await ask(self._request(SYSTEM, EXAMPLES, known), draw)
            return pair_of(reply.text, evidence, "reasoning")
        alone = [(shown, pair.partition("\nAnswer:")[0]) for shown, pair in EXAMPLES]
        asked = (await ask(self._request(SYSTEM, alone, f"{known}\n\n{QUESTION_ALONE}"), draw)).text
        found = ALONE.fullmatch(asked)
        if found is None or len(MARKS.findall(asked)) != 1:
            raise ReplyError(f"no question: {asked[:80]!r}")
        question = found["question"]
        prompt = f"{known}\n\nAnswer this question about the image step by step, and end with the result: {question}"
        answer = ANSWER.fullmatch((await ask(self._request(SYSTEM, (), prompt), draw)).text)
        if answer is None:
            raise ReplyError("an empty answer")
        return checked(question, answer["answer"], evidence, "reasoning")

    def _request(self, system: str, examples: Sequence[tuple[str, str]], last: str) -> ChatRequest:
        messages: list[Mapping[str, Any]] = [{"role": "system", "content": system}]
        for shown, said in examples:
            messages += [{"role": "user", "content": shown}, {"role": "assistant", "content": said}]
        messages.append({"role": "user", "content": showing(last)})
        return ChatRequest(messages=tuple(messages), max_new_tokens=self.max_tokens, temperature=self.temperature)

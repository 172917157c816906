"""A judge that grades by a rubric."""

from __future__ import annotations

import re

from attrs import field, frozen
from attrs.validators import and_, ge, le

from remgcl import Ask, Candidate, ChatRequest, Evidence, Judge, ReplyError, Verdict, quoted, showing

RUBRIC = {
    "reading": "nobody can answer it without words or numbers of the image",
    "reasoning": "it takes several steps, or knowledge of the world, to get from them to the answer",
    "correct": "the answer is right, and follows from the image",
    "clear": "the question has exactly one answer, and is put as a person would put it",
}
"""What is graded, each from 1 to 5."""

PROMPT = """\
Grade a question about an image, and its answer. For each line below give a whole number from 1 (not at all) to 5 \
(fully). Reply with these four lines and nothing else:
{lines}

{known}

Question: {question}
Answer: {answer}"""

GRADES = re.compile(r"\s*" + r"\s*\n\s*".join(rf"{name}: ?(?P<{name}>[1-5])(?: ?/ ?5)?\.?" for name in RUBRIC) + r"\s*")


@frozen(kw_only=True)
class Rubric(Judge):
    """Let a chat model grade reading, reasoning, correctness and clarity from 1 to 5; best one of another family.

    The verdict's score is that of reading, correctness and clarity, its complexity that of reasoning.

    Attributes:
        least: Lowest mean of the four grades that passes.
        least_correct: Lowest grade of correctness that passes.
        max_tokens: Longest reply in tokens.
    """

    least: float = field(default=3.5, validator=and_(ge(1.0), le(5.0)))
    least_correct: int = field(default=4, validator=and_(ge(1), le(5)))
    max_tokens: int = field(default=64, validator=ge(1))

    async def __call__(self, evidence: Evidence, candidate: Candidate, ask: Ask) -> Verdict:
        """Ask for the grades, greedily."""
        lines = "\n".join(f"{name}: {meaning}" for name, meaning in RUBRIC.items())
        prompt = PROMPT.format_map(
            {"lines": lines, "known": quoted(evidence), "question": candidate.question, "answer": candidate.answer}
        )
        message = {"role": "user", "content": showing(prompt)}
        reply = await ask(ChatRequest(messages=(message,), max_new_tokens=self.max_tokens))
        found = GRADES.fullmatch(reply.text)
        if found is None:
            raise ReplyError(f"no grades: {reply.text[:80]!r}")
        grades = {name: int(found[name]) for name in RUBRIC}
        mean = sum(grades.values()) / len(grades)
        quality = (grades["reading"] + grades["correct"] + grades["clear"] - 3) / 12
        return Verdict(
            passed=mean >= self.least and grades["correct"] >= self.least_correct,
            why="graded low: " + ", ".join(f"{name} {grade}" for name, grade in grades.items()),
            score=quality,
            complexity=(grades["reasoning"] - 1) / 4,
        )

    @property
    def calls(self) -> int:
        """One."""
        return 1

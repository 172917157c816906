"""Questions made harder by a language model."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, field, frozen
from attrs.validators import ge

from remgcl import Ask, Candidate, ChatRequest, Evidence, Generator, TextLayout, quoted, showing
from remgcl.plugins.generators.prompts import HARDER, pair_of


@frozen(kw_only=True)
class Rewrite(Generator):
    """Make the questions of another generator harder, round by round, as MMEvol does (Luo et al., 2024, section 3).

    Attributes:
        base: The generator whose questions are rewritten; it asks the same chat model, if it asks any.
        rounds: How often each question is made harder.
        layout: How lines of text are written, as for `reasoning`.
        max_tokens: Longest reply in tokens.
        temperature: Of sampling.
    """

    base: Generator
    rounds: int = field(default=1, validator=ge(1))
    layout: TextLayout = "compact"
    max_tokens: int = field(default=512, validator=ge(1))
    temperature: float = field(default=0.7, validator=ge(0))

    async def __call__(self, evidence: Evidence, ask: Ask) -> Sequence[Candidate]:
        """Rewrite each question of the base."""
        return [await self._rewritten(candidate, evidence, ask) for candidate in await self.base(evidence, ask)]

    @property
    def calls(self) -> int:
        """Those of the base, and one for each round of each question."""
        return self.base.calls + self.base.most * self.rounds

    @property
    def most(self) -> int:
        """As many as the base makes."""
        return self.base.most

    async def _rewritten(self, candidate: Candidate, evidence: Evidence, ask: Ask) -> Candidate:
        for turn in range(self.rounds):
            prompt = f"{quoted(evidence, self.layout)}\n\nQuestion: {candidate.question}\nAnswer: {candidate.answer}"
            messages = ({"role": "system", "content": HARDER}, {"role": "user", "content": showing(prompt)})
            request = ChatRequest(messages=messages, max_new_tokens=self.max_tokens, temperature=self.temperature)
            harder = pair_of((await ask(request, turn)).text, evidence, candidate.type)
            candidate = evolve(harder, facts={"rewritten": candidate.question})
        return candidate

"""One image: described, asked about, and judged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any, TypeVar

from attrs import Factory, define, evolve, frozen

from remgcl.core.elicitation.calls import Call, Caller, CallError
from remgcl.core.elicitation.file import ElicitFile
from remgcl.core.elicitation.purse import SpentError
from remgcl.core.errors import ReplyError
from remgcl.core.parts import Ask, Candidate, ChatReply, ChatRequest, Evidence, Verdict, showing

T = TypeVar("T")

CAPTION = "caption"
"""The stage of an image before its generators."""


@define
class Outcome:
    """What became of a candidate, or of a generator that made none.

    Attributes:
        id: The record's.
        image: The image's name.
        digest: The image's digest.
        generator: The generator's key.
        candidate: The candidate; None where the reply held none.
        verdicts: By the judge's key, in the order they were asked.
        rejected: What refused it: a judge's key, `reply`, `failed`, `budget`, `alike`; later
            `selector`. Empty if nothing did.
        why: The reason.
        calls: All calls for it; those of its generator stand with each candidate of the image.
    """

    id: str
    image: str
    digest: str
    generator: str
    candidate: Candidate | None = None
    verdicts: dict[str, Verdict] = Factory(dict)
    rejected: str = ""
    why: str = ""
    calls: list[Call] = Factory(list)


@frozen
class Pipeline:
    """What is done with every image.

    Attributes:
        file: The file.
        callers: The chat models, by their keys.
    """

    file: ElicitFile
    callers: Mapping[str, Caller]

    async def __call__(self, evidence: Evidence) -> list[Outcome]:
        """Describe an image, ask about it and judge what comes.

        Args:
            evidence: The image with its text.
        """
        shared: list[Call] = []
        try:
            known = await self._described(evidence, shared)
        except ReplyError as error:
            return [self._outcome(evidence, CAPTION, 0, **_unmade(error), calls=shared)]
        outcomes: list[Outcome] = []
        for key, generator in self.file.generators.items():
            calls = [*shared]
            try:
                made: Sequence[Candidate] = await self._twice(
                    self.file.model_of(generator), known, calls, partial(generator, known)
                )
            except ReplyError as error:
                outcomes.append(self._outcome(evidence, key, 0, **_unmade(error), calls=calls))
                continue
            outcomes += [
                self._outcome(evidence, key, ordinal, candidate=candidate, calls=[*calls])
                for ordinal, candidate in enumerate(made)
            ]
        for place, outcome in enumerate(outcomes):
            if outcome.candidate is not None and not self._alike(outcome, outcomes[:place]):
                await self._judged(outcome, outcome.candidate, known)
        return outcomes

    async def _described(self, evidence: Evidence, calls: list[Call]) -> Evidence:
        caption = self.file.caption
        if caption is None:
            return evidence
        message = {"role": "user", "content": showing(caption.prompt)}
        request = ChatRequest(messages=(message,), max_new_tokens=caption.max_tokens, temperature=caption.temperature)

        async def describe(ask: Ask) -> ChatReply:
            return await ask(request)

        reply = await self._twice(caption.model, evidence, calls, describe)
        return evolve(evidence, caption=reply.text.strip())

    async def _judged(self, outcome: Outcome, candidate: Candidate, evidence: Evidence) -> None:
        """Ask the judges, the cheapest first, until one refuses."""
        for key, judge in self.file.ordered_judges.items():
            try:
                verdict: Verdict = await self._twice(
                    self.file.model_of(judge),
                    evidence,
                    outcome.calls,
                    partial(judge, evidence, candidate),
                )
            except (CallError, SpentError) as error:
                unmade = _unmade(error)
                outcome.rejected, outcome.why = unmade["rejected"], f"{key}: {unmade['why']}"
                return
            except ReplyError as error:
                verdict = Verdict(passed=False, why=f"no verdict: {error}")
            outcome.verdicts[key] = verdict
            if not verdict.passed:
                outcome.rejected, outcome.why = key, verdict.why
                return

    async def _twice(self, model: str, evidence: Evidence, calls: list[Call], make: Callable[[Ask], Awaitable[T]]) -> T:
        """Let a part make something, with replies that are drawn once more where the first cannot be used."""
        caller = self.callers.get(model)
        if caller is None:
            return await make(_unasked)
        try:
            return await make(caller.asking(evidence, 0, calls))
        except (CallError, SpentError):
            raise
        except ReplyError:
            return await make(caller.asking(evidence, 1, calls))

    def _alike(self, outcome: Outcome, before: Sequence[Outcome]) -> bool:
        """Refuse a question whose words an earlier one of the image has as well."""
        words = _words(outcome.candidate)
        for other in before:
            theirs = _words(other.candidate)
            if words and theirs and len(words & theirs) >= self.file.alike * len(words | theirs):
                outcome.rejected, outcome.why = "alike", f"nearly the question of {other.id}"
                return True
        return False

    def _outcome(self, evidence: Evidence, key: str, ordinal: int, **held: Any) -> Outcome:  # noqa: ANN401 - its fields
        content = blake2b(f"{evidence.digest} {key} {ordinal}".encode(), digest_size=8).hexdigest()
        return Outcome(id=f"re-{content}", image=evidence.name, digest=evidence.digest, generator=key, **held)


def _unmade(error: ReplyError) -> dict[str, str]:
    by = "budget" if isinstance(error, SpentError) else "failed" if isinstance(error, CallError) else "reply"
    return {"rejected": by, "why": str(error)}


def _words(candidate: Candidate | None) -> set[str]:
    return set(candidate.question.casefold().split()) if candidate else set()


async def _unasked(request: ChatRequest, draw: int = 0) -> ChatReply:
    """Refuse: the part declares no calls."""
    del request, draw
    raise ReplyError("the part asks a chat model, and its property calls is 0")

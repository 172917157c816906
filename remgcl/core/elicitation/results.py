"""What came of a run: pairs that stay, pairs that do not, and why; and the numbers of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import asdict, frozen

from remgcl.core.elicitation.file import ElicitFile
from remgcl.core.elicitation.jobs import Outcome
from remgcl.core.elicitation.sources import Seen
from remgcl.core.elicitation.work import Work
from remgcl.core.ocr.cache import OcrCache
from remgcl.core.parts import Evidence, Scored

MARKER = "<image>"
"""Where the image goes, in LLaVA's records."""

UNMADE = ("reply", "failed", "budget")
"""What is said of a generator that made no candidate, or of a judge that could not be asked."""


@frozen(eq=False)
class Results:
    """All outcomes, and those that were chosen.

    Attributes:
        outcomes: In the order of the images.
        chosen: Those that go into the data, in its order.
        images: All images that were looked at.
        numbers: What a report tells of the run.
    """

    outcomes: Sequence[Outcome]
    chosen: Sequence[Outcome]
    images: Sequence[Evidence]
    numbers: Mapping[str, Any]

    @classmethod
    def of(cls, work: Work, outcomes: Sequence[Outcome], images: Sequence[Evidence], cache: OcrCache | None) -> Results:
        """Choose, and count.

        Args:
            work: What the run had at hand.
            outcomes: What became of every candidate, in the order of the images.
            images: The images.
            cache: The OCR cache.
        """
        file = work.file
        pool = [outcome for outcome in outcomes if not outcome.rejected]
        count = len(pool) if file.count is None else file.count
        if file.selector is None:
            places: Sequence[int] = range(min(count, len(pool)))
        else:
            scored = [
                Scored(candidate=outcome.candidate, image=outcome.digest, verdicts=outcome.verdicts)
                for outcome in pool
                if outcome.candidate is not None
            ]
            places = file.selector(scored, count, file.seed)
        chosen = [pool[place] for place in places]
        ids = {outcome.id for outcome in chosen}
        for outcome in pool:
            if outcome.id not in ids:
                outcome.rejected, outcome.why = "selector", "not chosen"
        numbers = dict(_numbers(file, outcomes, chosen, images, work.seen))
        numbers["money"] = _money(outcomes, chosen, work)
        numbers["models"] = {
            name: {
                "identity": caller.identity,
                "wanted": caller.part.model,
                "named": dict(caller.names),
                "sent": caller.sent,
                "failed": caller.failed,
            }
            for name, caller in work.callers.items()
        }
        numbers["ocr"] = asdict(cache.origin) if cache is not None else None
        return cls(outcomes, chosen, images, numbers)

    def records(self) -> Iterator[dict[str, Any]]:
        """Write the pairs as LLaVA's records, and nothing else."""
        for outcome in self.chosen:
            if outcome.candidate is not None:
                yield {
                    "id": outcome.id,
                    "image": outcome.image,
                    "conversations": [
                        {"from": "human", "value": f"{MARKER}\n{_plain(outcome.candidate.question)}"},
                        {"from": "gpt", "value": outcome.candidate.answer},
                    ],
                }

    def questions(self) -> Iterator[dict[str, Any]]:
        """Write the pairs whose answer is known in short as questions of a benchmark, each with its type."""
        for outcome in self.chosen:
            made = outcome.candidate
            if made is not None and isinstance(made.facts.get("short"), str):
                yield {
                    "id": outcome.id,
                    "image": outcome.image,
                    "question": _plain(made.question),
                    "answers": [made.facts["short"]],
                    "type": made.type,
                }

    def lines(self) -> Iterator[dict[str, Any]]:
        """Write where every candidate comes from, and what became of it."""
        ids = {outcome.id for outcome in self.chosen}
        for outcome in self.outcomes:
            made = outcome.candidate
            yield {
                "id": outcome.id,
                "kept": outcome.id in ids,
                "rejected": outcome.rejected,
                "why": outcome.why,
                "image": outcome.image,
                "digest": outcome.digest,
                "generator": outcome.generator,
                **({} if made is None else asdict(made) | {"facts": dict(made.facts)}),
                "verdicts": {key: asdict(verdict) for key, verdict in outcome.verdicts.items()},
                "calls": [asdict(call) for call in outcome.calls],
            }


def _plain(question: str) -> str:
    """Take the marker out of a question: its record has one already."""
    return question.replace(MARKER, "").strip()


def _numbers(
    file: ElicitFile, outcomes: Sequence[Outcome], chosen: Sequence[Outcome], images: Sequence[Evidence], seen: Seen
) -> Iterator[tuple[str, Any]]:
    made = [outcome for outcome in outcomes if outcome.candidate is not None]
    per_image = Counter(outcome.digest for outcome in chosen)
    yield (
        "images",
        {
            "there": seen.images,
            "repeated": seen.repeated,
            "unreadable": seen.unreadable,
            "not in the OCR cache": seen.unknown,
            "looked at": len(images),
            "without text": sum(not image.regions for image in images),
            "without a candidate": len(images) - len({outcome.digest for outcome in made}),
        },
    )
    yield "candidates", len(made)
    yield "kept", len(chosen)
    yield "unmade", {kind: sum(outcome.rejected == kind for outcome in outcomes) for kind in UNMADE}
    yield "alike", sum(outcome.rejected == "alike" for outcome in outcomes)
    yield "not chosen", sum(outcome.rejected == "selector" for outcome in outcomes)
    yield "judges", {key: dict(_judge(key, made)) for key in file.ordered_judges}
    yield (
        "types",
        {
            kind: {
                "made": often,
                "kept": sum(outcome.candidate.type == kind for outcome in chosen if outcome.candidate),
            }
            for kind, often in sorted(Counter(outcome.candidate.type for outcome in made if outcome.candidate).items())
        },
    )
    yield (
        "generators",
        {
            key: {
                "made": sum(outcome.generator == key for outcome in made),
                "kept": sum(outcome.generator == key for outcome in chosen),
            }
            for key in file.generators
        },
    )
    yield "kept of an image", {str(often): count for often, count in sorted(Counter(per_image.values()).items())}


def _judge(key: str, made: Sequence[Outcome]) -> Iterator[tuple[str, Any]]:
    verdicts = [outcome.verdicts[key] for outcome in made if key in outcome.verdicts]
    yield "judged", len(verdicts)
    yield "passed", sum(verdict.passed for verdict in verdicts)
    reasons = Counter(verdict.why.partition(":")[0] for verdict in verdicts if not verdict.passed)
    yield "reasons", dict(reasons.most_common(5))


def _money(outcomes: Sequence[Outcome], chosen: Sequence[Outcome], work: Work) -> dict[str, Any]:
    calls = {call.key: call for outcome in outcomes for call in outcome.calls}
    costs = [call.cost for call in calls.values()]
    known = [cost for cost in costs if cost is not None]
    cost = sum(known) if len(known) == len(costs) else None
    return {
        "calls": len(calls),
        "sent now": sum(caller.sent for caller in work.callers.values()),
        "tokens in": sum(call.tokens_in for call in calls.values()),
        "tokens out": sum(call.tokens_out for call in calls.values()),
        "cost": cost,
        "cost of a kept pair": cost / len(chosen) if cost is not None and chosen else None,
        "spent in this folder": work.purse.spent,
        "budget": work.purse.budget,
    }

"""What a chat model is asked for questions: REMGCL's meaning (`data/`), in other words and with other examples."""

from __future__ import annotations

import re

from remgcl import Candidate, Evidence, ReplyError, mark_of

SYSTEM = """\
You write exercises for people who learn to look closely. You are given what is known of one image: its lines of text, \
as a machine read them, with their positions, and sometimes a description. The machine reads most words right; the \
description may name things that are not there, so trust the text more.

Write one question about the image, and its answer. The question is plausible and hard: whoever answers has to find \
words or numbers in the image, know something of the world, and take several steps from there. Nobody can answer it \
without the image. The answer tells the steps, quotes the words that it rests on, and ends with the result.

Write as someone who looks at the image. Never mention a machine, positions, lists of words or a description. Ask only \
what the given text settles; where it settles nothing, ask something simpler that it does settle.

Reply with two paragraphs and nothing else: the first begins with "Question:", the second with "Answer:"."""

EXAMPLES = (
    (
        """\
4,6 "RIVERSIDE CINEMA"
6,30 "Adults"
70,30 "9.50"
6,44 "Children under 12"
70,44 "6.00"
6,70 "Tuesdays: every ticket 5.00\"""",
        """\
Question: How much does a family of two adults and one ten-year-old save by going on a Tuesday?
Answer: Two adults pay 2 x 9.50 = 19.00, and a ten-year-old is one of the "Children under 12", who pay 6.00, so on \
other days the family pays 19.00 + 6.00 = 25.00. On Tuesdays every ticket is 5.00, which makes 3 x 5.00 = 15.00. They \
save 25.00 - 15.00 = 10.00.""",
    ),
    (
        """\
10,8 "Platform 2"
8,25 "08:14"
30,25 "Lenham"
62,25 "on time"
8,40 "08:20"
30,40 "Ashbury"
62,40 "cancelled"
8,55 "08:46"
30,55 "Ashbury via Lenham"
62,55 "on time\"""",
        """\
Question: It is ten past eight. When does the next train leave that brings a traveller to Ashbury?
Answer: Two trains go to Ashbury. The one at 08:20 is "cancelled". The one at 08:46, "Ashbury via Lenham", is on time \
and ends there, so the traveller leaves at 08:46.""",
    ),
)
"""Lines of text, and what is made of them: both need the text, and neither copies it."""

HARDER = """\
You make exercises harder. You are given what is known of one image, and a question about it with its answer. Write a \
new question about the same image that needs the words used before and at least one step more: another number, a \
comparison, a condition, a consequence. It must have one answer that the given text settles. Answer it step by step, \
and end with the result. Write as someone who looks at the image; never mention what you were given.

Reply with two paragraphs and nothing else: the first begins with "Question:", the second with "Answer:"."""

QUESTION_ALONE = 'Write the question alone, in one paragraph that begins with "Question:".'

PAIR = re.compile(r"\s*Question:\s*(?P<question>[^\n]\S.*?)\n\s*Answer:\s*(?P<answer>\S.*?)\s*", re.DOTALL)
ALONE = re.compile(r"\s*Question:\s*(?P<question>\S.*?)\s*", re.DOTALL)
ANSWER = re.compile(r"\s*(?:Answer:\s*)?(?P<answer>\S.*?)\s*", re.DOTALL)
MARKS = re.compile(r"^\s*(Question|Answer):", re.MULTILINE)


def pair_of(text: str, evidence: Evidence, kind: str) -> Candidate:
    """Read a question and its answer, strictly: a reply that looks mended may have been cut.

    Args:
        text: The reply.
        evidence: The image.
        kind: The type of the question.

    Raises:
        ReplyError: The reply holds something else.
    """
    found = PAIR.fullmatch(text)
    if found is None or len(MARKS.findall(text)) != 2:  # noqa: PLR2004 - one of each
        raise ReplyError(f"no question with an answer: {text[:80]!r}")
    return checked(found["question"].strip(), found["answer"], evidence, kind)


def checked(question: str, answer: str, evidence: Evidence, kind: str) -> Candidate:
    """Make a candidate of texts that do not repeat the prompt.

    Args:
        question: The question.
        answer: Its answer.
        evidence: The image.
        kind: The type of the question.

    Raises:
        ReplyError: They do.
    """
    whole = f"{question}\n{answer}"
    prompt = [mark_of(evidence), *SYSTEM.split(". "), *(pair.partition("\n")[0] for _, pair in EXAMPLES)]
    if any(sentence in f"Question: {whole}" for sentence in prompt):
        raise ReplyError("repeats the prompt")
    quoted = tuple(
        place
        for place, region in enumerate(evidence.regions)
        if (text := region.text.strip()) and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", whole, re.IGNORECASE)
    )
    return Candidate(question=question, answer=answer, type=kind, regions=quoted)

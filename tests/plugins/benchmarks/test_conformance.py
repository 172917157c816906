"""The built-in benchmarks promise what every benchmark does."""

import json
from pathlib import Path

import pytest
from PIL import Image

from remgcl.plugins.benchmarks import Own, Samples
from remgcl.plugins.datasets.synthetic import Synthetic
from remgcl.plugins.datasets.synthetic_benchmark import SyntheticBenchmark
from remgcl.testing import benchmarks, conformance

TestSynthetic = conformance(SyntheticBenchmark(samples=2, content=("digits", "words")))
TestSamples = conformance(Samples(data=Synthetic(samples=3)))


class TestOwn(benchmarks.Checks):
    """A file of two questions, and a description."""

    @pytest.fixture(params=["questions.jsonl", "own.toml"])
    def part(self, request: pytest.FixtureRequest, tmp_path: Path) -> Own:
        """The part."""
        Image.new("RGB", (3, 2)).save(tmp_path / "a.png")
        lines = ({"id": n, "image": "a.png", "question": f"{n}?", "answers": ["a"], "tokens": ["x"]} for n in (1, 2))
        (tmp_path / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (tmp_path / "own.toml").write_text(
            'questions = "questions.jsonl"\n[protocols.tokens]\nmetric = "anls"\ntemplate = "{question} {tokens}"\n'
            "[protocols.bare]\n"
        )
        return Own(path=str(tmp_path / request.param))

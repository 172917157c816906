"""lmms-eval asks a model of ours on a local task, and scores as we do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from remgcl import Engine
from remgcl.core.evaluation.score import score_answers

pytestmark = pytest.mark.skipif(
    find_spec("lmms_eval") is None, reason="the extra 'lmms-eval' is not installed beside this project"
)

TASK = """
task: tiny_reading
dataset_path: parquet
dataset_kwargs: { data_files: { test: FOLDER/test.parquet } }
test_split: test
output_type: generate_until
doc_to_visual: !function tiny.doc_to_visual
doc_to_text: !function tiny.doc_to_text
doc_to_messages: !function tiny.doc_to_messages
doc_to_target: answer
generation_kwargs: { max_new_tokens: 8, temperature: 0, do_sample: false }
process_results: !function tiny.process_results
metric_list:
  - { metric: contained, aggregation: mean, higher_is_better: true }
metadata: [{ version: 0.0 }]
"""

FUNCTIONS = """
def doc_to_visual(doc):
    return [doc["image"].convert("RGB")]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]


def doc_to_messages(doc, lmms_eval_specific_kwargs=None):
    content = [{"type": "image", "url": doc["image"].convert("RGB")}, {"type": "text", "text": doc["question"]}]
    return [{"role": "user", "content": content}]


def process_results(doc, results):
    return {"contained": float(doc["answer"].lower() in results[0].lower())}
"""

SCRIPT = """
def reply(request):
    (image,) = request.images
    red = image.getpixel((0, 0))[0]
    return f" It says {red}. " if red % 2 else "I cannot tell."
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """A local task of five pictures whose reds are to be told, and a script that tells the odd ones."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Features, Value
    from datasets import Image as Shown

    rows = []
    for red in range(5):
        picture = Image.new("RGB", (32, 24), (red, 90, 90))
        ImageDraw.Draw(picture).text((4, 4), str(red))
        picture.save(tmp_path / f"{red}.png")
        held = {"bytes": (tmp_path / f"{red}.png").read_bytes(), "path": f"{red}.png"}
        rows.append({"image": held, "question": "Which red?", "answer": str(red)})
    features = Features({"image": Shown(), "question": Value("string"), "answer": Value("string")})
    pq.write_table(pa.Table.from_pylist(rows, schema=features.arrow_schema), tmp_path / "test.parquet")
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "tiny_reading.yaml").write_text(TASK.replace("FOLDER", str(tmp_path)))
    (folder / "tiny.py").write_text(FUNCTIONS)
    (tmp_path / "script_of_lmms_eval.py").write_text(SCRIPT)
    return folder


@pytest.mark.parametrize("form", ["chat", "simple"])
def test_lmms_eval_asks_our_model_and_scores_as_we_do(task: Path, tmp_path: Path, engine: Engine, form: str) -> None:
    given = "model=made-up,chat=scripted,function=script_of_lmms_eval:reply"
    options = ["--tasks", "tiny_reading", "--include_path", str(task), "--batch_size", "2", "--log_samples"]
    out = ["--output_path", str(tmp_path / "out"), *(["--force_simple"] if form == "simple" else [])]
    command = [sys.executable, "-m", "lmms_eval", "--model", "remgcl", "--model_args", given, *options, *out]
    offline = {"HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "TOKENIZERS_PARALLELISM": "false"}
    environment = {**os.environ, **offline, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert list((tmp_path / "out").rglob("*_results.json")), (ran.stdout + ran.stderr)[-3000:]
    (file,) = (tmp_path / "out").rglob("*_results.json")
    theirs = json.loads(file.read_text())["results"]["tiny_reading"]["contained,none"]
    (samples,) = (tmp_path / "out").rglob("*samples_tiny_reading.jsonl")
    lines = sorted((json.loads(line) for line in samples.read_text().splitlines()), key=lambda each: each["doc_id"])
    said = [each["filtered_resps"] for each in lines]
    assert said == ["I cannot tell.", "It says 1.", "I cannot tell.", "It says 3.", "I cannot tell."]
    from remgcl import Answer

    answers = [Answer(prediction=text, answers=(str(red),)) for red, text in enumerate(said)]
    ours = score_answers("ocrbench", engine.part("metrics", "ocrbench"), answers)["summary"]["score"]
    assert theirs == ours == pytest.approx(0.4)

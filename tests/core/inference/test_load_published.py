"""Loading folders in published formats: they answer as the published code does."""

import json
from pathlib import Path
from typing import Any

import pytest

import remgcl
from remgcl import Engine, RunError, Sample
from remgcl.core.model.decoding import Decoding


@pytest.mark.parametrize("kind", ["llava", "hf"])
def test_a_published_folder_gives_the_published_tokens(
    kind: str, golden: Path, engine: Engine, golden_samples: dict[str, Sample]
) -> None:
    what = golden / "llava-tiny" if kind == "llava" else golden.with_name(f"hf-{golden.name}")
    more: dict[str, Any] = {"tower": str(golden / "clip-tiny")} if kind == "llava" else {}
    model = remgcl.load(what, device="cpu", dtype="float32", engine=engine, **more)
    records = json.loads((golden / "generate.json").read_text(encoding="utf-8"))
    in_front = [record for record in records if "USER: <image>\n" in record["prompt"]]  # where images stand here
    assert len(in_front) == 2
    for recorded in in_front:
        sample = golden_samples[recorded["id"]]
        text = recorded["prompt"].partition("USER: ")[2].rpartition(" ASSISTANT:")[0]
        prompt = model.prepare((sample.image, text), Decoding(max_new_tokens=len(recorded["greedy_ids"])))
        assert prompt.example.tokens.ids.tolist() == recorded["prompt_ids"]
        [answering] = model.decode([prompt])
        assert answering.ids == recorded["greedy_ids"]
    assert model.provenance["source"] == str(what)


def test_what_is_in_no_format_is_an_error(folder: Path, engine: Engine) -> None:
    with pytest.raises(remgcl.RemgclError, match=r"is no model; it holds 'blue\.png'"):
        remgcl.load(folder, engine=engine)
    with pytest.raises(RunError, match="there is no such folder"):
        remgcl.load(folder / "nowhere", engine=engine)

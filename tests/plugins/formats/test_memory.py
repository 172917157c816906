"""Imports and exports pass tensors one at a time, so a model need not fit into memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.tiny_llava import original, tiny

MEBIBYTE = 1 << 20

PROGRAM = """
import sys
from pathlib import Path
from remgcl import Engine, RunFolder
from remgcl.core.exchange.importing import import_model, understand
from remgcl.core.inference.export import export
import transformers, torch

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

small, source, out = map(Path, sys.argv[1:])
engine = Engine.installed()

def convert(source, out):
    import_model(understand(source, engine.registry), RunFolder(out / "run"), engine.registry)
    export(out / "run", "transformers-llava", out / "hf", engine=engine, verify=False)
    export(out / "run", "llava", out / "llava", engine=engine, verify=False)

convert(small, out / "small")  # what libraries take by themselves
before = peak()
convert(source, out / "large")
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of a process there")
@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_import_and_export_take_less_than_the_largest_shard(suffix: str, tmp_path: Path) -> None:
    source = original(tiny(), tmp_path / "large")
    tensors = large(source)
    names = sorted(tensors, key=lambda name: int("layers.1." in name))
    half = {name: f"model-{1 + ('layers.1.' in name)}.{suffix}" for name in names}
    for file in set(half.values()):
        shard = {name: tensors[name] for name in names if half[name] == file}
        if suffix == "bin":
            torch.save(shard, source / file)
        else:
            save_file(shard, source / file)
    index = "model.safetensors.index.json" if suffix == "safetensors" else "pytorch_model.bin.index.json"
    (source / index).write_text(json.dumps({"weight_map": half}))
    shard = max((source / file).stat().st_size for file in set(half.values())) / MEBIBYTE
    small = original(tiny(), tmp_path / "small")
    command = [sys.executable, "-c", PROGRAM, small, source, tmp_path / "out"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    assert ran.returncode == 0, ran.stderr
    grown = float(ran.stdout)
    assert shard > 90
    assert grown < 1.5 * shard, f"{grown:.0f} MiB for a shard of {shard:.0f} MiB"


def large(source: Path) -> dict[str, torch.Tensor]:
    """Make layers of a checkpoint wide, and return its tensors."""
    from safetensors.torch import load_file

    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    wide = 1 << 18  # 64 x 2^18 bfloat16 are 32 MiB, and a layer has three
    for layer in range(2):
        for name in ("gate_proj", "up_proj", "down_proj"):
            shape = (64, wide) if name == "down_proj" else (wide, 64)
            tensors[f"model.layers.{layer}.mlp.{name}.weight"] = torch.zeros(shape, dtype=torch.bfloat16)
    file = source / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), "intermediate_size": wide}))
    return tensors

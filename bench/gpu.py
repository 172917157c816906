"""The training step of a LLaVA of 7B on one GPU, with random weights.

    python -m bench.gpu [--batch 16] [--steps 10] [--attention sdpa] [--zero 2]

Measures samples a second and the model FLOPs utilisation (MFU) of full
fine-tuning in bfloat16 with DeepSpeed, with and without the three contrastive
losses, and compares the implementations of attention that are installed.
`--small` runs the same code with a tiny model, on the CPU too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from attrs import frozen
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from remgcl import Batch, Loss
from remgcl.core.model.model import Model
from remgcl.core.model.objective import Objective
from remgcl.plugins.backbones.causal_lm import CausalLM
from remgcl.plugins.losses.global_ import Global
from remgcl.plugins.losses.refined_local import RefinedLocal
from remgcl.plugins.losses.sliding_window import SlidingWindow
from remgcl.plugins.projectors.mlp_gelu import MlpGelu
from remgcl.plugins.vision_towers.clip import Clip

TEXT = 224
"""Tokens of text beside an image; 576 patches and they make the 800 of the published figures."""

REGIONS = 40
"""Text regions of an image."""

PEAK = 790.0
"""TFLOP/s in bfloat16 that an H200 reaches in large matrix products."""


@frozen(kw_only=True)
class Size:
    """What is built.

    Attributes:
        tower: Configuration of the vision tower, as transformers writes it.
        backbone: Configuration of the language model.
        teraflops: Forward and backward of one sample at 800 tokens.
    """

    tower: Mapping[str, Any]
    backbone: Mapping[str, Any]
    teraflops: float


SEVEN_B = Size(
    tower={
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 336,
        "patch_size": 14,
    },
    backbone={
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "vocab_size": 32000,
        "max_position_embeddings": 4096,
    },
    teraflops=32.1,
)
"""CLIP ViT-L/14 at 336 px and Vicuna-7B, as in LLaVA-1.5."""

SMALL = Size(
    tower={
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 56,
        "patch_size": 14,
    },
    backbone={
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": 512,
        "max_position_embeddings": 512,
    },
    teraflops=0.0,
)
"""The same parts, tiny."""


def build(size: Size, folder: Path, attention: Any, device: torch.device, dtype: torch.dtype) -> Model:  # noqa: ANN401 - a name of transformers
    """Build the model with random weights, right on the device.

    Args:
        size: What to build.
        folder: For its configurations.
        attention: The implementation of attention.
        device: Where to.
        dtype: Of its parameters.
    """
    for name, kind, config in (("tower", "clip_vision_model", size.tower), ("backbone", "llama", size.backbone)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps({"model_type": kind, **config}), encoding="utf-8")
    tower = Clip(weights=str(folder / "tower"), layer=-2)
    backbone = CausalLM(weights=str(folder / "backbone"), attention=attention)
    spec = tower.spec()
    torch.manual_seed(0)
    with device:
        parts = (
            tower.build(pretrained=False),
            MlpGelu().build(spec.width, backbone.spec().width),
            backbone.build(pretrained=False),
        )
    model = Model(*parts, spec).to(device, dtype)
    model.vision_tower.requires_grad_(requires_grad=False)
    recompute = getattr(model.backbone, "activation_checkpointing_enable", None)  # as newer releases call it
    (recompute or model.backbone.gradient_checkpointing_enable)({"use_reentrant": False})
    return model.train()


def batch_of(model: Model, count: int, text: int, regions: int, device: torch.device) -> Batch:
    """Draw a batch: an image, a question and an answer of half the text each, and text regions.

    Args:
        model: Says sizes.
        count: Samples.
        text: Tokens of text of a sample.
        regions: Text regions of an image.
        device: Where to.
    """
    spec = model.tower
    patches, vocabulary = spec.grid.patches, model.backbone.get_input_embeddings().num_embeddings
    length, answer, image = patches + text, text // 2, torch.arange(count)
    rows = torch.arange(count)[:, None] * length
    ids = torch.randint(3, vocabulary, (count, length))
    labels = torch.full_like(ids, -100)
    labels[:, -answer:] = ids[:, -answer:]
    answers = rows + torch.arange(length - answer, length)
    owned = (torch.rand(count * regions, patches) < 4 / patches).float()
    owned[:, 0] = 1
    spoken = torch.arange(count * regions).repeat_interleave(4)
    drawn = Batch(
        pixels=torch.randint(0, 256, (count, 3, *spec.size), dtype=torch.uint8),
        patch_mask=torch.ones(count, patches, dtype=torch.bool),
        image_sample=image,
        image_key=image,
        image_slots=(rows + torch.arange(patches)).flatten(),
        ids=ids,
        attention_mask=torch.ones_like(ids),
        labels=labels,
        label_slots=answers.flatten(),
        answer_slots=answers,
        answer_mask=torch.rand(count, answer) < 0.6,  # noqa: PLR2004 - the share that stop words leave
        answer_key=image,
        region_image=image.repeat_interleave(regions),
        region_of_image=torch.arange(count * regions).view(count, regions),
        region_patch_weights=owned / owned.sum(dim=1, keepdim=True),
        region_ids=torch.randint(3, vocabulary, (len(spoken),)),
        region_of_id=spoken,
        region_slots=torch.arange(len(spoken)).view(-1, 4),
        region_text_key=torch.arange(count * regions),
        region_confidence=torch.ones(count * regions),
        index=image,
        counts=torch.zeros(3, dtype=torch.int64),
    )
    return {name: tensor.to(device) for name, tensor in drawn.items()}  # type: ignore[return-value, attr-defined]


def losses() -> dict[str, Loss]:
    """Make the three losses, as the corrected recipe has them."""
    return {
        "global": Global(weight=0.01),
        "sliding-window": SlidingWindow(weight=0.01),
        "refined-local": RefinedLocal(weight=0.01),
    }


def seconds(objective: nn.Module, batch: Batch, steps: int, zero: int) -> float:
    """Time a training step: the median after two that are not counted.

    Args:
        objective: What is trained.
        batch: The batch of every step.
        steps: How many are counted.
        zero: DeepSpeed's ZeRO stage.
    """
    device = batch["ids"].device
    step = _engine_step(objective, batch, zero) if device.type == "cuda" else _plain_step(objective, batch)
    times = []
    for _ in range(steps + 2):
        begun = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return statistics.median(times[2:])


def _plain_step(objective: nn.Module, batch: Batch) -> Any:  # noqa: ANN401 - a function
    optimizer = torch.optim.AdamW([parameter for parameter in objective.parameters() if parameter.requires_grad])

    def step() -> None:
        objective(batch)[0].backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _engine_step(objective: nn.Module, batch: Batch, zero: int) -> Any:  # noqa: ANN401 - a function
    import deepspeed

    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("MASTER_PORT", "29511")
    deepspeed.init_distributed()
    config = {
        "train_micro_batch_size_per_gpu": len(batch["ids"]),
        "bf16": {"enabled": True},
        "gradient_clipping": 1.0,
        "optimizer": {"type": "AdamW", "params": {"lr": 2e-5}},
        "zero_optimization": {"stage": zero, "overlap_comm": True, "contiguous_gradients": True},
    }
    learns = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    engine, *_ = deepspeed.initialize(model=objective, model_parameters=learns, config=config)

    def step() -> None:
        engine.backward(engine(batch)[0])
        engine.step()

    return step


@torch.no_grad()
def attentions(folder: Path, device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """Compare the logits of every installed attention with those of ``sdpa``: the largest difference.

    Args:
        folder: For configurations.
        device: Where to.
        dtype: Of the parameters.
    """
    libraries = {"eager": "torch", "flash_attention_2": "flash_attn", "xformers": "xformers"}
    there = [name for name, library in libraries.items() if find_spec(library)]
    logits: dict[str, Tensor] = {}
    for name in ("sdpa", *(name for name in there if name == "eager" or device.type == "cuda")):
        model = build(SMALL, folder, name, device, dtype).eval()
        torch.manual_seed(1)
        logits[name] = model(batch_of(model, 2, 16, 3, device))[0].float()
    return {name: (logits[name] - logits["sdpa"]).abs().max().item() for name in logits if name != "sdpa"}


def main() -> None:
    """Measure, and print a table."""
    asked = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    asked.add_argument("--small", action="store_true", help="a tiny model, on the CPU where there is no GPU")
    asked.add_argument("--batch", type=int, default=16)
    asked.add_argument("--steps", type=int, default=10)
    asked.add_argument("--attention", default="sdpa", choices=["sdpa", "eager", "flash_attention_2", "xformers"])
    asked.add_argument("--zero", type=int, default=2)
    options = asked.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not options.small:
        asked.error("there is no GPU; --small runs on the CPU")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    size, text, regions = (SMALL, 16, 3) if options.small else (SEVEN_B, TEXT, REGIONS)
    table = Table("losses", "ms a step", "samples/s", "TFLOP/s", f"MFU of {PEAK:g}")
    with TemporaryDirectory() as held:
        folder = Path(held)
        for name, chosen in {"none": {}, "three": losses()}.items():
            model = build(size, folder, options.attention, device, dtype)
            batch = batch_of(model, options.batch, text, regions, device)
            took = seconds(Objective(model, chosen), batch, options.steps, options.zero)
            speed = options.batch / took
            flops = speed * size.teraflops
            table.add_row(name, f"{1000 * took:.1f}", f"{speed:.2f}", f"{flops:.0f}", f"{flops / PEAK:.1%}")
            del model, batch
            if device.type == "cuda":
                torch.cuda.empty_cache()
        differences = attentions(folder, device, dtype)
    console = Console()
    console.print(table)
    for name, difference in differences.items():
        console.print(f"{name} against sdpa: logits differ by at most {difference:.2g}")


if __name__ == "__main__":
    main()

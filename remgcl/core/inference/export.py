"""A run's model, written in a published format and compared with what is read back.

The export is loaded again by the format's own reader and by transformers, where transformers knows the layout,
and must compute the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from attrs import frozen

from remgcl.core.engine import Engine
from remgcl.core.errors import Hint, RunError, WeightsError
from remgcl.core.exchange.importing import Wanted, import_model, understand
from remgcl.core.exchange.source import local
from remgcl.core.files.tensors import StoredTensor, read_file, read_folder, stored
from remgcl.core.files.whole import read
from remgcl.core.inference.load import find, load
from remgcl.core.inference.source import Source
from remgcl.core.model.assembly import Assembly
from remgcl.core.parts import ExportedModel, Lora
from remgcl.core.recipe.recipe import PARTS
from remgcl.core.runs.folder import RunFolder

if TYPE_CHECKING:
    from torch import Tensor

    from remgcl.core.inference.loaded import LoadedModel

TRANSFORMERS = "LlavaForConditionalGeneration"

LARGEST = 1e-3
"""The largest difference of logits, as a share of the largest logit, that rounding explains."""


@frozen(kw_only=True)
class Exported:
    """What came of an export.

    Attributes:
        difference: The largest difference of logits between the run and what was written.
        scale: The largest logit, to compare it with.
        by: What read the folder back.
    """

    difference: float
    scale: float
    by: str


def export(  # noqa: PLR0913 - all that can be chosen
    what: str | Path,
    name: str,
    out: Path,
    *,
    engine: Engine | None = None,
    stage: str | None = None,
    verify: bool = True,
) -> Exported | None:
    """Write a model in a published format, read it back and compare logits.

    Args:
        what: A run, a stage or a checkpoint.
        name: The format.
        out: The folder to write; it must be new or empty.
        engine: The plugins to use; all that are installed by default.
        stage: The stage of a run; the last one that has a model by default.
        verify: Whether to read back what was written, which loads the model, in float32, twice one after the other.

    Returns:
        How far what was written is from the run; None where it was not read back.

    Raises:
        RemgclError: There is no such model, the format cannot hold it, or what was written computes something else.
    """
    engine = engine or Engine.installed()
    names = engine.registry.names("formats")
    if name not in names:
        raise WeightsError(f"no format {name!r}; {Hint(name, names)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out}: is there already; name another folder with --out")
    source = find(what, engine, stage)
    format_: Any = engine.registry.find("formats", name)()
    out.mkdir(parents=True, exist_ok=True)
    model = _exported(source, engine, what, stage)
    format_.write(model, out)
    if not verify:
        return None
    ours = _logits(load(what, stage=stage, device="cpu", engine=engine))
    theirs, by = _read_back(out, engine, name)
    known = len(model.tokenizer)
    difference = (ours[:, :known] - theirs[:, :known]).abs().max().item()
    scale = ours.abs().max().item()
    if not difference <= LARGEST * max(scale, 1.0):
        raise WeightsError(
            f"{out}: does not compute what {what} does; logits differ by {difference:.2g}, the largest is {scale:.3g}"
        )
    return Exported(difference=difference, scale=scale, by=by)


def _exported(source: Source, engine: Engine, what: str | Path, stage: str | None) -> ExportedModel:
    """Gather a model's parts; tensors are read when they are written, but for adapters, which are merged first."""
    import torch

    recipe, settings = source.recipe, source.recipe.stages[source.stage]
    tables = engine.table(recipe)
    own = tables["stages"][source.stage]
    assembly = Assembly(recipe=recipe, stage=source.stage)
    configs: dict[str, Mapping[str, Any]] = {}
    with torch.device("meta"):
        for part in ("vision_tower", "backbone"):
            module = getattr(recipe, part).build(pretrained=False)
            config = next((held.config for held in module.modules() if hasattr(held, "config")), None)
            configs[part] = config.to_dict() if config is not None else {}
    merged = recipe.backbone.lora is not None or source.fill is not None
    held = _in_memory(load(what, stage=stage, device="cpu", engine=engine)) if merged else None
    tensors: dict[str, Mapping[str, StoredTensor]] = {}
    for part in PARTS:
        if held is not None:
            tensors[part] = held[part]
        elif part in source.saved:
            tensors[part] = read_file(source.saved[part])
        else:
            weights = local(tables[part]["weights"])
            tensors[part] = read_folder(weights)
            if part == "vision_tower":  # the file may hold more layers than are built
                whole = read(weights / "config.json") or {}
                whole = whole.get("vision_config", whole)
                configs[part] = {**configs[part], **{key: whole[key] for key in ("num_hidden_layers",) if key in whole}}
    spec = assembly.tower
    return ExportedModel(
        tables={
            **{part: tables[part] for part in PARTS},
            "template": own["template"],
            "image_aspect": settings.image_aspect,
            "max_length": settings.max_length,
        },
        tensors=tensors,
        configs=configs,
        tokenizer=assembly.tokenizer,
        patches=spec.tokens,
        colours=(spec.mean, spec.std),
    )


def _in_memory(model: LoadedModel) -> dict[str, dict[str, StoredTensor]]:
    """Return the tensors of a loaded model by part, adapters merged."""
    parts = {name: model.model.get_submodule(name) for name in PARTS}
    Lora.merge(parts["backbone"])
    return {name: {key: stored(tensor) for key, tensor in part.state_dict().items()} for name, part in parts.items()}


def _read_back(out: Path, engine: Engine, name: str) -> tuple[Tensor, str]:
    """Compute the sample by what was written."""
    config = read(out / "config.json") or {}
    if TRANSFORMERS in (config.get("architectures") or ()):
        return _by_transformers(out), "transformers"
    with TemporaryDirectory(dir=out.parent) as folder:
        again = RunFolder(Path(folder) / "run")
        wanted = Wanted(format=name)
        import_model(understand(out, engine.registry, wanted), again, engine.registry, wanted)
        return _logits(load(again.path, device="cpu", engine=engine)), "remgcl"


def _sample(size: tuple[int, int], vocabulary: int) -> tuple[Tensor, list[int], list[int]]:
    """Make normalised pixels, and ids before and after the image."""
    import torch

    made = torch.Generator().manual_seed(0)
    pixels = torch.randn(1, 3, *size, generator=made)
    ids = torch.randint(vocabulary, (24,), generator=made).tolist()
    return pixels, ids[:8], ids[8:]


def _logits(loaded: LoadedModel) -> Tensor:
    """Compute the sample by our model `[T, V]`."""
    import torch

    model = loaded.model
    pixels, before, after = _sample(loaded.encoder.tower.size, len(loaded.tokenizer))
    table = model.backbone.get_input_embeddings()
    with torch.no_grad():
        image = model.projector(model.vision_tower(pixels))
        texts = [table(torch.tensor([ids])) for ids in (before, after)]
        whole = torch.cat([texts[0], image, texts[1]], dim=1)  # [1, T, D]
        return model.backbone(inputs_embeds=whole, use_cache=False).logits[0]  # type: ignore[no-any-return]


def _by_transformers(out: Path) -> Tensor:
    """Compute the sample by transformers `[T, V]`; the tokenizer that was written says where its vocabulary ends."""
    import torch
    from transformers import LlavaForConditionalGeneration

    model, report = LlavaForConditionalGeneration.from_pretrained(
        out, dtype=torch.float32, output_loading_info=True, attn_implementation="sdpa"
    )
    lost = sorted(report["missing_keys"]) + sorted(report["unexpected_keys"])
    if [name for name in lost if "lm_head" not in name]:
        raise WeightsError(f"{out}: transformers does not find or know tensors that were written; {lost[:5]}")
    config = model.config
    edge = config.vision_config.image_size
    pixels, before, after = _sample((edge, edge), config.image_token_id)
    ids = torch.tensor([[*before, *[config.image_token_id] * config.image_seq_length, *after]])
    with torch.no_grad():
        return model.eval()(input_ids=ids, pixel_values=pixels, use_cache=False).logits[0]  # type: ignore[no-any-return]

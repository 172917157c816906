"""The layout of LLaVA's own code: LLaVA-1.5, LLaVAR and REMGCL publish in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from remgcl import ExportedModel, Format, Published, StoredTensor, WeightsError, read_folder, read_json
from remgcl.plugins.formats.language import backbone_part
from remgcl.plugins.formats.original import config_of, is_original, language_config, stage_settings, tower_settings
from remgcl.plugins.formats.original_writing import write_original
from remgcl.plugins.formats.projectors import projector_part
from remgcl.plugins.formats.tokenizers import tokenizer_files
from remgcl.plugins.formats.towers import named_tower

PROJECTOR = "model.mm_projector."
TOWER = "model.vision_tower.vision_tower."
NEWLINE = "model.image_newline"

RUNNER = {"use": "local"}


@frozen(kw_only=True)
class Llava(Format):
    """A folder of LLaVA's own code, `LlavaLlamaForCausalLM` and its variants.

    The vision tower is named in ``config.json`` or contained in the checkpoint. Weights are safetensors or pickles,
    sharded or not. Folders of LLaVA 1.6, whose images are tiled, are refused.
    """

    completed_by = frozenset({"tower"})

    def detect(self, source: Path) -> bool:
        """Look for an architecture of LLaVA's, or a tower's name, in ``config.json``."""
        if not source.is_dir() or (source / "adapter_config.json").is_file():
            return False
        config = read_json(str(source), "config.json")
        return config is not None and is_original(config) and not _projector_alone(source)

    def read(self, source: Path, *, base: str | None = None, tower: str | None = None) -> Published:
        """Read the folder."""
        if base is not None:
            raise WeightsError(f"{source}: holds a whole model; leave --base out")
        return published(source, config_of(source), read_folder(source), tower=tower, tokenizer=tokenizer_files(source))

    def write(self, model: ExportedModel, folder: Path) -> None:
        """Write the folder, with the tower in a subfolder."""
        write_original(model, folder)


def published(  # noqa: PLR0913 - what a checkpoint is made of
    source: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, StoredTensor],
    *,
    tower: str | None,
    tokenizer: dict[str, bytes],
    beside: Path | None = None,
) -> Published:
    """Sort the tensors of a model in this layout into its parts.

    Args:
        source: The folder, for errors.
        config: Its configuration.
        tensors: All its tensors, by their published names.
        tower: The vision tower to take in place of the one that is named.
        tokenizer: The files of the tokenizer.
        beside: The folder that the tower may lie beside; the source without it.

    Raises:
        WeightsError: A tensor is missing, unknown or of another shape, or the tower cannot be found.
    """
    if NEWLINE in tensors:
        raise WeightsError(f"{source}: holds {NEWLINE!r}, as LLaVA 1.6 does, whose tiled images are not supported")
    name = tower or config.get("mm_vision_tower") or config.get("vision_tower")
    if not name:
        raise WeightsError(f"{source}: names no vision tower; name one with --tower")
    inside = {key.removeprefix(TOWER): each for key, each in tensors.items() if key.startswith(TOWER)}
    seen = named_tower(str(name), beside or source, tower_settings(config), inside)
    rest = {key: each for key, each in tensors.items() if not key.startswith((TOWER, PROJECTOR))}
    markers = bool(config.get("mm_use_im_start_end", False))
    backbone = backbone_part(language_config(config, source), rest, tokenizer, source, markers=markers)
    own = {key.removeprefix(PROJECTOR): each for key, each in tensors.items() if key.startswith(PROJECTOR)}
    first = next((each.shape[-1] for name, each in own.items() if name in ("weight", "0.weight")), 0)
    widths = config.get("mm_hidden_size", first), config["hidden_size"]
    return Published(
        vision_tower=seen,
        projector=projector_part(config.get("mm_projector_type", "linear"), own, widths, str(source)),
        backbone=backbone,
        stage=stage_settings(config),
        runner=RUNNER,
        notes=("the folder names no template; LLaVA-1.5's 'v1' is taken",),
    )


def _projector_alone(folder: Path) -> bool:
    """Return whether a folder of the original layout holds the projector only."""
    held = any((folder / name).is_file() for name in ("mm_projector.bin", "mm_projector.safetensors"))
    whole = ("model*.safetensors*", "pytorch_model*.bin*")
    return held and not any(any(folder.glob(pattern)) for pattern in whole)

"""The projector alone, as LLaVA's pretraining saves it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from remgcl import Format, Published, PublishedPart, StoredTensor, WeightsError, read_file, read_folder, read_json
from remgcl.plugins.formats.language import TABLES, backbone_part
from remgcl.plugins.formats.llava import RUNNER
from remgcl.plugins.formats.original import is_original, language_config, stage_settings, tower_settings
from remgcl.plugins.formats.prefixes import unwrapped
from remgcl.plugins.formats.projectors import kind_of, projector_part
from remgcl.plugins.formats.tokenizers import tokenizer_files
from remgcl.plugins.formats.towers import named_tower

FILES = ("mm_projector.safetensors", "mm_projector.bin")

PREFIX = "mm_projector."


@frozen(kw_only=True)
class MmProjector(Format):
    """A projector alone: ``mm_projector.bin``, or a folder that contains it but no complete model.

    A stage may start from it with its own tower and backbone. To import it as a model, name what it was trained on:
    the language model with ``--base``, the vision tower with ``--tower``.
    """

    def detect(self, source: Path) -> bool:
        """Look for a file of that name, or for names of tensors that only a projector has."""
        if source.is_dir():
            return _file_in(source) is not None and not _whole(source)
        return source.suffix in (".bin", ".safetensors", ".pt", ".pth")

    def read(self, source: Path, *, base: str | None = None, tower: str | None = None) -> Published:
        """Read the projector, and the base it was trained on where that is named."""
        file = (_file_in(source) or source / FILES[0]) if source.is_dir() else source
        tensors = unwrapped(read_file(file))
        own = {name.partition(PREFIX)[2]: each for name, each in tensors.items() if PREFIX in name}
        table = TABLES[0]
        extra = sorted(name for name in tensors if PREFIX not in name and name != table)
        if not own or extra:
            raise WeightsError(f"{file}: is not a projector; its tensors are {sorted(tensors)[:5]}")
        kind = kind_of(own, str(file))
        first = own.get("0.weight") or own["weight"]
        last = own[max((name for name in own if name.endswith("weight")), key=_place)]
        projector = projector_part(kind, own, (first.shape[1], last.shape[0]), str(file))
        config = read_json(str(file.parent), "config.json") or {}
        if base is None and tower is None:
            if table in tensors:
                raise WeightsError(
                    f"{file}: holds rows of {table!r} beside the projector; they belong to a language model: "
                    "import both with --base"
                )
            return Published(projector=projector, runner=RUNNER)
        tower = tower or (config.get("mm_vision_tower") if is_original(config) else None)
        if base is None or tower is None:
            raise WeightsError(f"{file}: holds a projector alone; name the language model with --base, the vision "
                               "tower with --tower")  # fmt: skip
        return Published(
            vision_tower=named_tower(tower, file.parent, tower_settings(config), {}),
            projector=projector,
            backbone=_backbone(Path(base), tensors.get(table), config),
            stage={**stage_settings(config), "template": "plain"},
            runner=RUNNER,
            notes=("a projector alone was trained with the template 'plain', which is taken",),
        )


def _backbone(base: Path, rows: StoredTensor | None, config: Mapping[str, Any]) -> PublishedPart:
    """Take the language model that the projector was trained on, with the rows of markers where it has them."""
    if rows is not None:
        raise WeightsError(
            f"{base}: the projector was saved with rows of the embeddings, as mm_use_im_start_end does; that is not "
            "supported for a projector alone"
        )
    del config
    if not base.is_dir():
        return PublishedPart(table={"use": "causal_lm", "weights": str(base)})
    return plain_backbone(base)


def plain_backbone(base: Path) -> PublishedPart:
    """Read a language model from a folder: one of transformers, or that inside a LLaVA folder.

    Args:
        base: The folder.

    Raises:
        WeightsError: It is no such folder.
    """
    config = read_json(str(base), "config.json")
    if config is None:
        raise WeightsError(f"{base}: is no language model; there is no config.json")
    if is_original(config):
        config = language_config(config, base)
    held = {name: each for name, each in read_folder(base).items() if PREFIX not in name and "vision_tower" not in name}
    return backbone_part(json.loads(json.dumps(config)), held, tokenizer_files(base), base)


def _file_in(folder: Path) -> Path | None:
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def _whole(folder: Path) -> bool:
    """Return whether a folder holds a model beside the projector."""
    return any(
        any(folder.glob(pattern)) for pattern in ("model*.safetensors*", "pytorch_model*.bin*", "adapter_model*")
    )


def _place(name: str) -> int:
    first = name.partition(".")[0]
    return int(first) if first.isdecimal() else 0

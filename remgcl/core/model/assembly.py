"""A recipe's parts, joined as one of its stages joins them: tokenizer, encoder, collator and model.

Knows no run folder, no console and no dataset.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define

from remgcl.core.errors import RunError
from remgcl.core.files.extras import missing
from remgcl.core.model.saved import Saved, load_part
from remgcl.core.parts.within import parts_in
from remgcl.core.recipe.recipe import PARTS, Recipe, Stage

if TYPE_CHECKING:
    from remgcl.core.data.collate import Collator
    from remgcl.core.data.encode import Encoder
    from remgcl.core.model.model import Model
    from remgcl.core.parts import TowerSpec


@define(kw_only=True, eq=False, slots=False)
class Assembly:
    """The parts of a recipe as a stage uses them; each is built when it is first used.

    Attributes:
        recipe: The recipe.
        stage: The stage's key, whose template, image settings and length count.
    """

    recipe: Recipe
    stage: str

    def __attrs_post_init__(self) -> None:
        """Verify that what the parts need is installed."""
        recipe = self.recipe
        used = {name: getattr(recipe, name) for name in (*PARTS, "text_filter")} | {"template": self.settings.template}
        faults = [f"{key}: {what}" for key, part in parts_in(used) for what in missing(part.requires)]
        if faults:
            raise RunError("\n".join(faults))

    @property
    def settings(self) -> Stage:
        """The stage's settings."""
        return self.recipe.stages[self.stage]

    @cached_property
    def tower(self) -> TowerSpec:
        """What the vision tower declares."""
        return self.recipe.vision_tower.spec()

    @cached_property
    def tokenizer(self) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
        """The backbone's tokenizer, with the image markers if the backbone has them."""
        from remgcl.core.data.markers import teach

        backbone = self.recipe.backbone
        return teach(backbone.build_tokenizer()) if backbone.image_markers else backbone.build_tokenizer()

    @property
    def _marked(self) -> bool:
        """Whether the image markers are new: a tokenizer that knows them comes with a model that learned them."""
        from remgcl.core.data.markers import knows

        backbone = self.recipe.backbone
        return backbone.image_markers and not knows(backbone.build_tokenizer())

    @cached_property
    def encoder(self) -> Encoder:
        """Encodes samples into examples."""
        from remgcl.core.data.encode import Encoder

        chosen = self.recipe.text_filter
        return Encoder(
            tokenizer=self.tokenizer,
            template=self.settings.template,
            tower=self.tower,
            aspect=self.settings.image_aspect,
            resampling=self.settings.resampling,
            max_length=self.settings.max_length,
            keep=chosen.build(self.tokenizer) if chosen else None,
            image_markers=self.recipe.backbone.image_markers,
            max_regions=self.settings.max_regions,
            region_grid=self.settings.region_grid,
        )

    @property
    def collator(self) -> Collator:
        """Collates examples into batches, padded on the right as training needs."""
        from remgcl.core.data.collate import Collator

        return Collator(self.tower)

    @property
    def saved_in_part(self) -> dict[str, Saved]:
        """Which tensors are saved of partly saved parts: adapters, if the recipe can build the other weights again."""
        backbone = self.recipe.backbone
        return {"backbone": backbone.learns} if backbone.lora and backbone.restorable else {}

    def build_model(self, saved: Mapping[str, Path] | None = None) -> Model:
        """Build the parts with the recipe's seed, and load the saved ones.

        Args:
            saved: Files of saved parts, by name, as `saved_parts` returns them.

        Raises:
            WeightsError: A part's weights cannot be read.
            RunError: A saved part cannot be read.
            PluginError: The features of tower or projector, or the backbone's
                embeddings, are not those that are declared.
        """
        import torch

        from remgcl.core.data.markers import make_room
        from remgcl.core.model.model import Model
        from remgcl.core.model.probe import try_model, verify_width

        torch.manual_seed(self.recipe.seed)
        saved = saved or {}
        tower, backbone = self.recipe.vision_tower, self.recipe.backbone
        whole = "backbone" in saved and "backbone" not in self.saved_in_part
        built = backbone.build(pretrained=not whole)
        verify_width(built, backbone)
        if self._marked:
            built = make_room(built, self.tokenizer)
        model = Model(
            tower.build(pretrained="vision_tower" not in saved),
            self.recipe.projector.build(self.tower.width, backbone.spec().width),
            backbone.lora.add(built) if backbone.lora else built,
            self.tower,
        )
        try_model(model, tower, self.recipe.projector)
        for name, file in saved.items():
            load_part(model.get_submodule(name), file, self.saved_in_part.get(name))
        return model

"""The backbone of a recipe, tried in small, and held against the lengths of the recipe's stages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from remgcl.core.errors import RunError
from remgcl.core.parts import Backbone, BackboneSpec
from remgcl.core.planning.trials import Attempt
from remgcl.core.recipe.recipe import Recipe


def try_backbone_of(recipe: Recipe, spec: BackboneSpec, attempt: Attempt, once: Callable[..., Any]) -> None:
    """Try a recipe's backbone.

    Args:
        recipe: The recipe.
        spec: What its backbone declares.
        attempt: Takes what is found.
        once: Recalls what other plans found.
    """
    part = recipe.backbone
    attempt("backbone", lambda: once(("trial", part), partial(_try_in_small, part, spec)))
    for key, stage in recipe.stages.items():
        if stage.validation and spec.max_length is not None:
            new = stage.validation.max_new_tokens
            excess = stage.max_length + new > spec.max_length
            if excess and once(("positions", part), part.learns_positions):
                at = f"stages.{key}.validation.max_new_tokens"
                attempt(at, partial(_refuse, new, stage.max_length, spec.max_length))


def _try_in_small(part: Backbone, spec: BackboneSpec) -> None:
    small: Any = part.build_miniature()
    if small is not None:
        from remgcl.core.model.trial import try_backbone

        shape = small.get_input_embeddings().embedding_dim, getattr(small.config, "num_hidden_layers", None)
        try_backbone(small, whole=shape == (spec.width, spec.layers))


def _refuse(new: int, prompt: int, most: int) -> None:
    raise RunError(
        f"{new} may follow a prompt of max_length {prompt}, and the backbone has learned positions up to {most}; "
        f"max_length may be {most - new} at most"
    )

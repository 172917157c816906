"""Vision tower, projector and language model, joined.

The image's tokens already have their places in a batch: patches are projected
and scattered into the input embeddings at once, whatever the batch holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from remgcl.core.features import Features, Regions
from remgcl.core.model.greedy import decode_greedily

if TYPE_CHECKING:
    from remgcl.core.parts import PatchGrid, TowerSpec
    from remgcl.core.samples import Batch

Watch: TypeAlias = Callable[[Tensor], Tensor]
"""Sees a tensor on its way, and returns it."""


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


class Model(nn.Module):
    """A vision-language model made of its three parts."""

    def __init__(self, vision_tower: nn.Module, projector: nn.Module, backbone: Any, tower: TowerSpec) -> None:  # noqa: ANN401 - transformers' models are untyped
        """Join built parts.

        Args:
            vision_tower: Normalised pixels `[N, 3, H, W]` to features `[N, I, Dv]`.
            projector: Features to embeddings `[N, I, D]`.
            backbone: A causal language model of transformers.
            tower: What the vision tower declared.
        """
        super().__init__()
        self.vision_tower = vision_tower
        self.projector = projector
        self.backbone = backbone
        self.tower = tower
        self._colours: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def train(self, mode: bool = True) -> Model:  # noqa: FBT001, FBT002 - the signature of torch
        """Switch between training and evaluation; frozen parts always evaluate.

        So no dropout disturbs them, and no running statistics change. Layers
        that recompute their activations are put into training mode, as
        transformers recomputes only then; what is inside them is not.

        Args:
            mode: Whether to train.
        """
        super().train(mode)
        for part in self.children():
            part.train(mode and _learns(part))
            for layer in part.modules():
                if getattr(layer, "gradient_checkpointing", False):
                    layer.training = mode
        return self

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Turn images into input embeddings of the language model.

        Args:
            pixels: uint8 `[N, 3, H, W]`.

        Returns:
            Embeddings `[N, I, D]`; the class token, if any, comes first.
        """
        return self.projector(self.tower_features(pixels))  # type: ignore[no-any-return]

    def tower_features(self, pixels: Tensor) -> Tensor:
        """Turn images into features.

        Args:
            pixels: uint8 `[N, 3, H, W]`.

        Returns:
            Features `[N, I, Dv]`; the class token, if any, comes first.
        """
        mean, std = self._mean_and_std(pixels.device)
        normalised = (pixels - mean) / std
        dtype = next((parameter.dtype for parameter in self.vision_tower.parameters()), normalised.dtype)
        with torch.set_grad_enabled(torch.is_grad_enabled() and _learns(self.vision_tower)):
            return self.vision_tower(normalised.to(dtype))  # type: ignore[no-any-return]

    def _mean_and_std(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the colours of normalisation `[3, 1, 1]`: no buffers, which a cast of the model would round."""
        if device not in self._colours:
            mean, std = (torch.tensor(colour, device=device) for colour in (self.tower.mean, self.tower.std))
            self._colours[device] = 255 * mean.view(3, 1, 1), 255 * std.view(3, 1, 1)
        return self._colours[device]

    def embed(self, batch: Batch, watch: Watch = _as_it_is) -> tuple[Tensor, Features, Tensor]:
        """Make the input embeddings of a batch, and the features of the losses.

        The embedding table is looked up once for text and regions together, so
        that it gets one dense gradient, and every rank calls it equally often.

        Args:
            batch: The batch, on the model's device.
            watch: Sees the embeddings for the language model, and returns them.

        Returns:
            Embeddings `[B, T, D]` with the images in place, the features, and
            the embeddings of the regions' tokens `[K, D]`.
        """
        ids = batch["ids"]
        projected = self.encode_images(batch["pixels"])
        images = projected[: batch["image_sample"].shape[0]]  # [N, I, D], without the dummy
        looked_up = self.backbone.get_input_embeddings()(torch.cat([ids.flatten(), batch["region_ids"]]))
        text, region_tokens = looked_up.split([ids.numel(), batch["region_ids"].shape[0]])
        images = images.to(text.dtype)
        embeddings = watch(text).index_copy(0, batch["image_slots"], watch(images).flatten(0, 1))  # [B * T, D]
        embeddings = embeddings + projected[:0].sum()  # a zero: joins the dummy image to the graph
        features = features_of(
            batch,
            self.tower.grid,
            patches=images[:, int(self.tower.class_token) :],
            answer=text[batch["answer_slots"]],
            region_text=_means(region_tokens, batch["region_of_id"], batch["region_image"].shape[0]),
        )
        return embeddings.view(*ids.shape, -1), features, region_tokens

    def forward(
        self, batch: Batch, layers: Collection[int] = (), watch: Watch = _as_it_is
    ) -> tuple[Tensor, dict[int, Features]]:
        """Predict the supervised tokens.

        Args:
            batch: The batch, on the model's device.
            layers: Layers of the language model whose states are wanted as text
                sides; 0 is its input embeddings, -1 its last layer.
            watch: Sees the embeddings for the language model, and returns them.

        Returns:
            Logits of the tokens at `label_slots` `[S, V]`, and the features by
            layer, those of layer 0 among them.
        """
        embeddings, features, region_tokens = self.embed(batch, watch)
        inner = sorted({*layers} - {0})
        output = self._run(embeddings, batch["attention_mask"], batch["label_slots"] - 1, inner)
        by_layer = {0: features}
        if inner:
            texts = self._region_states(batch, region_tokens, inner)
            for layer, text in zip(inner, texts, strict=True):
                answer = output.hidden_states[layer].flatten(0, 1)[batch["answer_slots"]]
                by_layer[layer] = features_of(
                    batch, self.tower.grid, patches=features.patches, answer=answer, region_text=text
                )
        return output.logits[0], by_layer

    def _region_states(self, batch: Batch, tokens: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Read each region's text by itself: mean states of its tokens at some layers, `[R, D]` each.

        A batch without regions reads one empty text, so that every rank runs
        the language model equally often.
        """
        slots = batch["region_slots"]  # [max(R, 1), L]
        padded = torch.cat([tokens, tokens.new_zeros(1, tokens.shape[1])])[slots]
        present = slots >= 0
        attended = present | (torch.arange(slots.shape[1], device=slots.device) == 0)  # a row must hold a token
        output = self._run(padded, attended.long(), slots.new_zeros(1), layers)
        shares = present / present.sum(dim=1, keepdim=True).clamp(min=1)
        count = batch["region_image"].shape[0]
        states = [output.hidden_states[layer] for layer in layers]
        return [(shares.to(state.dtype)[:, None] @ state)[:count, 0] for state in states]

    def _run(self, embeddings: Tensor, attention_mask: Tensor, rows: Tensor, layers: Collection[int]) -> Any:  # noqa: ANN401 - transformers' models are untyped
        """Run the language model, with logits of some rows only."""
        with _rows(self.backbone.get_output_embeddings(), rows):
            return self.backbone(
                inputs_embeds=embeddings,
                attention_mask=attention_mask,
                use_cache=False,
                output_hidden_states=bool(layers),
            )

    @torch.no_grad()
    def generate(self, batch: Batch, max_new_tokens: int, **options: Any) -> Tensor:  # noqa: ANN401 - transformers' generation options
        """Answer greedily, whatever the weights' `generation_config.json` says.

        Args:
            batch: Prompts, padded on the left.
            max_new_tokens: Longest answer.
            **options: Further arguments of `decode_greedily`.

        Returns:
            Ids of the answers `[B, up to max_new_tokens]`.
        """
        embeddings, _, _ = self.embed(batch)
        return decode_greedily(self.backbone, embeddings, batch["attention_mask"], max_new_tokens, **options)


def features_of(batch: Batch, grid: PatchGrid, *, patches: Tensor, answer: Tensor, region_text: Tensor) -> Features:
    """Join what a model made of a batch with the batch's masks, keys and regions.

    Args:
        batch: The batch.
        grid: The tower's patches.
        patches: Projected patches `[N, P, D]`.
        answer: The supervised tokens `[B, A, D]`.
        region_text: Mean token of each region `[R, D]`.
    """
    return Features(
        patches=patches,
        patch_mask=batch["patch_mask"],
        grid=(grid.rows, grid.columns),
        image_sample=batch["image_sample"],
        image_key=batch["image_key"],
        answer=answer,
        answer_mask=batch["answer_mask"],
        answer_key=batch["answer_key"],
        regions=Regions(
            image=batch["region_image"],
            patch_weights=batch["region_patch_weights"].to(patches.dtype),
            text=region_text,
            text_key=batch["region_text_key"],
            confidence=batch["region_confidence"],
            of_image=batch["region_of_image"],
        ),
    )


def _learns(part: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in part.parameters())


def _means(tokens: Tensor, group: Tensor, groups: int) -> Tensor:
    """Average rows that belong together: `[K, D]` and their group `[K]` to `[groups, D]`."""
    sums = tokens.new_zeros(groups, tokens.shape[1]).index_add(0, group, tokens)
    counts = tokens.new_zeros(groups).index_add(0, group, torch.ones_like(group, dtype=tokens.dtype))
    return sums / counts.clamp(min=1)[:, None]


@contextmanager
def _rows(head: nn.Module, rows: Tensor) -> Iterator[None]:
    """Let a language model compute logits of some rows of its batch only.

    Works with every model whose logits come from its output embeddings,
    whatever it does to them afterwards (scaling, soft capping).

    Args:
        head: The output embeddings.
        rows: Places in the flattened batch `[S]`.
    """
    handle = head.register_forward_pre_hook(lambda _, states: (states[0].flatten(0, 1)[rows][None],))
    try:
        yield
    finally:
        handle.remove()

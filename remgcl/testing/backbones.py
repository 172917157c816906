"""What every backbone promises: a causal language model of transformers, and a tokenizer with character offsets."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from remgcl.core.parts import Backbone
from remgcl.testing.checks import broken
from remgcl.testing.modules import PretrainedChecks

LENGTH = 5

TEXTS = ("A sign.", "two  spaces, a dot . isn't", "caf\u00e9 \u4e2d\u6587 \u2014 3 \u00d7 4\nline", "")
"""Texts to tokenize."""


class Checks(PretrainedChecks):
    """What every backbone promises."""

    def feed(self, part: Backbone, count: int = 2) -> Tensor:
        """Make input embeddings `[B, T, D]`.

        Args:
            part: The backbone.
            count: B.
        """
        return torch.randn(count, LENGTH, part.spec().width, generator=torch.Generator().manual_seed(0))

    def answer(self, module: nn.Module, given: Tensor) -> Tensor:
        """Return the logits `[B, T, V]` of input embeddings.

        Args:
            module: The language model.
            given: Input embeddings `[B, T, D]`.
        """
        logits: Tensor = module(inputs_embeds=given, attention_mask=_ones(given)).logits
        return logits

    def test_it_declares_what_it_builds(self, part: Backbone) -> None:
        """The declared width, vocabulary, layers and tied embeddings are those of the model."""
        spec, model = part.spec(), self._model(part)
        table, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        output = model(inputs_embeds=self.feed(part), output_hidden_states=True)
        declared = (spec.vocabulary, spec.width, spec.layers, spec.tied)
        built = (*table.shape, len(output.hidden_states) - 1, table is head)
        if declared != built:
            raise broken(
                part,
                f"spec: declares vocabulary, width, layers, tied as {declared}; build returns {built}; declare those",
            )

    def test_it_answers_embeddings_with_logits(self, part: Backbone) -> None:
        """Input embeddings `[B, T, D]` become finite logits `[B, T, V]`."""
        logits, spec = self.answer(self._model(part), self.feed(part)), part.spec()
        if logits.shape != (2, LENGTH, spec.vocabulary):
            due = [2, LENGTH, spec.vocabulary]
            raise broken(part, f"returns logits {list(logits.shape)}; expected {due}, by the vocabulary of its spec")
        if not logits.isfinite().all():
            raise broken(part, "returns logits that are not finite; initialise every parameter")

    def test_a_token_sees_those_before_it_only(self, part: Backbone) -> None:
        """The language model is causal."""
        model, given = self._model(part), self.feed(part)
        changed = given.clone()
        changed[:, -1] += 1
        with torch.no_grad():
            one, other = self.answer(model, given), self.answer(model, changed)
        if not torch.allclose(one[:, :-1], other[:, :-1], atol=1e-4):
            raise broken(part, "a token's logits depend on those after it; mask attention causally")

    def test_padding_on_the_right_changes_no_logit(self, part: Backbone) -> None:
        """In training, samples are padded on the right with an attention mask of 0."""
        model, given = self._model(part), self.feed(part)
        padded, mask = _padded(given, left=False)
        with torch.no_grad():
            one, other = self.answer(model, given), model(inputs_embeds=padded, attention_mask=mask).logits
        if not torch.allclose(one, other[:, :LENGTH], atol=1e-4, rtol=1e-3):
            raise broken(part, "logits change with padding on the right; respect attention_mask")

    def test_padding_on_the_left_changes_no_answer(self, part: Backbone) -> None:
        """For generation, prompts are padded on the left: `generate` returns the same with and without padding."""
        model, given = self._model(part), self.feed(part)
        padded, mask = _padded(given, left=True)
        options: dict[str, Any] = {"max_new_tokens": 4, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
        with torch.no_grad():
            one = model.generate(inputs_embeds=given, attention_mask=_ones(given), **options)
            other = model.generate(inputs_embeds=padded, attention_mask=mask, **options)
        if not torch.equal(one, other):
            raise broken(
                part,
                f"generates {one.tolist()}, and {other.tolist()} with padding on the left; "
                "respect attention_mask, in the positions too",
            )

    def test_the_gradient_reaches_the_embeddings(self, part: Backbone) -> None:
        """The projector can be trained through it: a finite gradient reaches the input embeddings."""
        given = self.feed(part).requires_grad_()
        logits = self.answer(self._model(part), given)
        if logits.requires_grad:
            logits.pow(2).sum().backward()  # type: ignore[no-untyped-call]
        if given.grad is None or not given.grad.any() or not given.grad.isfinite().all():
            raise broken(
                part, "no finite gradient reaches the input embeddings; leave no_grad() and detach() out of it"
            )

    def test_its_tokenizer_tells_the_characters_of_each_token(self, part: Backbone) -> None:
        """Labels come from character offsets: these are inside the text, in order, and skip only spaces."""
        tokenizer = part.build_tokenizer()
        if not getattr(tokenizer, "is_fast", False):
            raise broken(part, f"build_tokenizer: {type(tokenizer).__name__} gives no offsets; return a fast tokenizer")
        for text in TEXTS:
            offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
            covered = {place for start, end in offsets for place in range(start, end)}
            starts = [start for start, _ in offsets]
            left = [place for place, character in enumerate(text) if not character.isspace() and place not in covered]
            if starts != sorted(starts) or left or any(not 0 <= start <= end <= len(text) for start, end in offsets):
                raise broken(
                    part,
                    f"build_tokenizer: {text!r} has the offsets {offsets}; "
                    "they must be in order, inside the text, and cover it",
                )

    def test_every_token_has_an_embedding(self, part: Backbone) -> None:
        """Every id of the tokenizer, special tokens included, has a row in the embeddings; there is a padding token."""
        tokenizer, vocabulary = part.build_tokenizer(), part.spec().vocabulary
        if len(tokenizer) > vocabulary:
            raise broken(
                part, f"build_tokenizer: has {len(tokenizer)} tokens; the vocabulary of spec() is {vocabulary}"
            )
        if tokenizer.pad_token_id is None:
            raise broken(part, "build_tokenizer: has no token for padding; set its pad_token")

    def _model(self, part: Backbone) -> Any:  # noqa: ANN401 - transformers' models are untyped
        return self.make(part).eval()


def _ones(given: Tensor) -> Tensor:
    return torch.ones(given.shape[:2], dtype=torch.int64)


def _padded(given: Tensor, *, left: bool) -> tuple[Tensor, Tensor]:
    """Add three places of padding, which hold large numbers, and mask them."""
    padding = torch.full((len(given), 3, given.shape[2]), 9.0)
    sides = (padding, given) if left else (given, padding)
    masks = (torch.zeros(len(given), 3, dtype=torch.int64), _ones(given))
    return torch.cat(sides, dim=1), torch.cat(masks if left else masks[::-1], dim=1)

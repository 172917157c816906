"""A backbone tried on random embeddings: one step, and one generation, as training and answering run it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from remgcl.core.errors import RunError

if TYPE_CHECKING:
    from torch import nn

TOKENS = 12
"""Tokens of the prompt."""

ANSWER = {"max_new_tokens": 2, "do_sample": False}
"""How the answer is generated."""

TOLERANCE = 1e-3
"""Most by which logits may differ, as a share of the largest."""

FAILURES = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError)


def try_backbone(backbone: nn.Module, *, whole: bool = False) -> None:
    """Run a small language model of transformers from embeddings, where it runs from ids.

    Args:
        backbone: The model, with random weights; it is changed.
        whole: Whether it has the shape of the model it stands for, so that what
            fails from ids fails in that model too.

    Raises:
        RunError: It fails from embeddings, computes something else from them
            than from the ids they stand for, looks at later tokens, or cannot
            generate.
    """
    model: Any = backbone.eval()
    rows = model.get_input_embeddings().num_embeddings
    ids = torch.arange(TOKENS)[None] % rows  # [1, T]
    present = torch.ones_like(ids)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _spread(model)
        try:
            with torch.no_grad():
                due = model(input_ids=ids, attention_mask=present, use_cache=False).logits  # [1, T, V]
            model.generate(input_ids=ids, attention_mask=present, **ANSWER)
        except FAILURES as error:
            if whole:
                raise _cannot("cannot run", error) from error
            return  # what is wrong may be that it is small
        known = model.get_input_embeddings()(ids).detach()  # [1, T, D]
        image = known.clone().normal_(std=float(known.std()))
        got = _attempt("cannot run from embeddings", lambda: _step(model, known, present))
        if not _close(got, due):
            raise RunError(
                "computes other logits from embeddings than from the ids that they stand for, so it needs more than "
                "embeddings; choose another model"
            )
        later = torch.cat([known[:, :-1], image[:, -1:]], dim=1)
        with torch.no_grad():
            seen = model(inputs_embeds=later, attention_mask=present, use_cache=False).logits
        if not _close(seen[:, :-1], due[:, :-1]):
            raise RunError("is not causal: what it predicts depends on later tokens; choose a causal language model")
        _attempt("cannot run from the embeddings of an image", lambda: _step(model, image, present))
        _attempt(
            "cannot generate from embeddings",
            lambda: model.generate(inputs_embeds=image, attention_mask=present, **ANSWER),
        )


def _close(got: Tensor, due: Tensor) -> bool:
    return torch.allclose(got, due, rtol=0, atol=TOLERANCE * float(due.abs().max()))


def _spread(model: nn.Module) -> None:
    """Make weights large enough that nothing is lost in rounding: a model may begin with zeros."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(mean=0.0 if parameter.dim() > 1 else 0.5, std=0.1)


def _step(model: Any, embeddings: Tensor, present: Tensor) -> Tensor:  # noqa: ANN401 - transformers' models are untyped
    """Run forward and backward, as a step of training does."""
    given = embeddings.clone().requires_grad_()
    logits: Tensor = model(inputs_embeds=given, attention_mask=present, use_cache=False).logits
    logits.float().logsumexp(-1).mean().backward()  # type: ignore[no-untyped-call]
    return logits.detach()


def _attempt(what: str, run: Any) -> Any:  # noqa: ANN401 - whatever it returns
    try:
        return run()
    except FAILURES as error:
        raise _cannot(what, error) from error


def _cannot(what: str, error: Exception) -> RunError:
    first = (str(error) or type(error).__name__).splitlines()[0]
    return RunError(f"{what}; {first}")

"""Backbones that break one promise each."""

from typing import Any

from attrs import evolve, frozen
from torch import nn

from remgcl import BackboneSpec
from remgcl.plugins.backbones import TinyBackbone
from remgcl.testing import conformance

SMALL: dict[str, Any] = {"width": 16, "layers": 1, "heads": 2, "mlp": 24, "deviation": 0.5}


@frozen(kw_only=True)
class Good(TinyBackbone):
    """A small one."""


@frozen(kw_only=True)
class Deep(Good):
    """Declare a layer too many."""

    def spec(self) -> BackboneSpec:
        """Declare it."""
        return evolve(super().spec(), layers=2)


@frozen(kw_only=True)
class Narrow(Good):
    """Give logits of nine tokens."""

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Cut them."""
        model: Any = super().build(pretrained=pretrained)
        model.lm_head.register_forward_hook(lambda _, __, logits: logits[..., :9])
        return model  # type: ignore[no-any-return]


@frozen(kw_only=True)
class Foresees(Good):
    """Let every token see all others, those of padding too."""

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Add their mean."""
        model: Any = super().build(pretrained=pretrained)
        model.lm_head.register_forward_pre_hook(lambda _, given: (given[0] + given[0].mean(dim=1, keepdim=True),))
        return model  # type: ignore[no-any-return]


def _changing(model: Any, **changes: Any) -> nn.Module:  # noqa: ANN401 - transformers' models are untyped
    def change(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return given, named | {name: make(named.get(name)) for name, make in changes.items()}

    model.model.register_forward_pre_hook(change, with_kwargs=True)
    return model  # type: ignore[no-any-return]


@frozen(kw_only=True)
class Unmasked(Good):
    """Do not heed the mask."""

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Forget it."""
        return _changing(super().build(pretrained=pretrained), attention_mask=lambda _: None)


@frozen(kw_only=True)
class Detached(Good):
    """Let no gradient to the embeddings."""

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Detach them."""
        cut = {"inputs_embeds": lambda given: None if given is None else given.detach()}
        return _changing(super().build(pretrained=pretrained), **cut)


class Slow:
    """A tokenizer that tells no offsets."""

    is_fast = False

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - transformers' tokenizers are untyped
        """Keep one that does."""
        self.tokenizer = tokenizer

    def __len__(self) -> int:
        """Count its tokens."""
        return len(self.tokenizer)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever is asked for
        """Answer as it does."""
        return getattr(self.tokenizer, name)


@frozen(kw_only=True)
class Placeless(Good):
    """Have a slow tokenizer."""

    def build_tokenizer(self) -> Any:  # noqa: ANN401 - as in the contract
        """Make it."""
        return Slow(super().build_tokenizer())


@frozen(kw_only=True)
class Unpadded(Good):
    """Have no token for padding."""

    def build_tokenizer(self) -> Any:  # noqa: ANN401 - as in the contract
        """Take it out."""
        tokenizer = super().build_tokenizer()
        tokenizer.pad_token = None
        return tokenizer


TestGood = conformance(Good(**SMALL))
TestDeep = conformance(Deep(**SMALL))
TestNarrow = conformance(Narrow(**SMALL))
TestForesees = conformance(Foresees(**SMALL))
TestUnmasked = conformance(Unmasked(**SMALL))
TestDetached = conformance(Detached(**SMALL))
TestPlaceless = conformance(Placeless(**SMALL))
TestUnpadded = conformance(Unpadded(**SMALL))

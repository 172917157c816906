"""Which parts a stage's model keeps."""

from collections.abc import Callable

from remgcl import Recipe


def test_parts_with_random_weights_are_always_kept(read: Callable[..., Recipe]) -> None:
    assert read("stages.tune.train=['projector']").saved("tune") == ("vision_tower", "projector", "backbone")


def test_pretrained_parts_are_kept_once_they_have_learned(read: Callable[..., Recipe]) -> None:
    """The name of the weights gives the others again, and is not looked at here."""
    recipe = read("backbone={ use = 'causal_lm', weights = 'x' }", "vision_tower={ use = 'clip', weights = 'y' }")
    assert recipe.saved("pretrain") == ("projector",)
    assert recipe.saved("tune") == ("projector", "backbone")

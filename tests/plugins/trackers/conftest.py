"""The small recipe, and a way to run it."""

from tests.small_recipe import read, run, small

__all__ = ["read", "run", "small"]

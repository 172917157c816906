"""Grids: a recipe varied along axes, and every stage that this takes trained once."""

"""Grids: recipes that are trained with every choice of each axis and every seed, and what came out."""

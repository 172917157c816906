"""Ablation grids: a recipe varied along axes and seeds, every different stage trained once, and what came out."""

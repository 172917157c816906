"""Recipes: TOML in, frozen parts and settings out, with every fault at once.

Inside: reading, paths, structure, the recipe itself and its JSON schema. Not inside: anything that opens data or
weights (`planning`).
"""

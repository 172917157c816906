"""Plugins and parts: hooks, loading, the registry, and whose code an error comes from.

Inside: what finds parts by kind and name and holds them to their contract. Not inside: the contracts themselves
(`parts`) and how a recipe names parts (`recipe`).
"""

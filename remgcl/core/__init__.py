"""The engine: plugins in; parts, recipes and runs out. It names no part."""

from remgcl.core.registry.moved import keep_old_names

keep_old_names()

"""The engine: plugins in; parts, recipes and runs out. It names no part."""

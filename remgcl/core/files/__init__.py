"""Files: written whole or not at all, folders sealed by a manifest, images opened with care, weights found by name.

Inside: what touches a disk and knows nothing of models. Not inside: what a run folder means (`runs`).
"""

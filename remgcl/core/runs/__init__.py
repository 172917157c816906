"""Run folders: what a run leaves on the disk, and which versions made it.

Inside: the folder of a run, that of a stage, changes of inputs, and provenance. Not inside: how tensors are written
(`model`).
"""

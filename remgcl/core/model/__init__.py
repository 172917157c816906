"""The model: tower, projector and backbone joined, the objective over them, and parts saved and loaded.

Inside: what a forward pass needs, on one rank or many. Not inside: steps and optimizers (`training`).
"""

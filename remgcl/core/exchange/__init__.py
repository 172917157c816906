"""Models in published formats: imported as runs, exported from them, and what a stage starts from.

Knows the contract of formats and no format. Training and talking to models are elsewhere.
"""

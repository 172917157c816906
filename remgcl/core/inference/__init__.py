"""A model in use: any folder to a model, questions and conversations, images as people give them, answer files.

Inside: what `remgcl.load` returns, and what the commands `ask`, `chat` and `answer` do.
Not inside: decoding of a batch (`model`), and the server (`serving`).
"""

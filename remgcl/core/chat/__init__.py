"""Chat models in use: requests collected into batches, images as data URLs.

Inside: what built-in and third-party chat models share. Not inside: the models (plugins), and what is asked.
"""

"""Question-answer data made of images: evidence, calls that are paid for once, verdicts, and what is written.

Inside: the run of an elicitation file. Not inside: generators, judges, selectors and chat models, which are parts.
"""

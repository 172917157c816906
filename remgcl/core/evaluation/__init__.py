"""Answers of a model to held-out samples, how many are right, and a picture of them.

Inside: validation, answers, pictures. Not inside: training (`training`).
"""

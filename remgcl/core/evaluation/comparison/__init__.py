"""Models compared question by question: protocols that must agree, intervals, paired differences, and the report.

Inside: everything between scored predictions and the files of a comparison. Not inside: how questions are scored.
"""

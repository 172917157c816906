"""The report of a grid: tables, findings and pictures, in HTML, Markdown, LaTeX and CSV.

Inside: everything that is written for readers. Not inside: statistics and results, which it reads.
"""

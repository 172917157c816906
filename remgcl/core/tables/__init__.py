"""Tables and pages for readers: in the terminal, HTML, Markdown and LaTeX.

Inside: what a table is, and how each format writes one. Not inside: what the tables say.
"""

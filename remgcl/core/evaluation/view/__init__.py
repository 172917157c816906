"""Pages to look at predictions: image with regions, prompt, replies, truth and scores, thousands in one page.

Inside: cards, thumbnails, and the page of one evaluation. Not inside: scores, and what compares them.
"""

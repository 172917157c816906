"""For authors of parts and recipes: scaffolds, the reference of parts, and pictures of what a model gets.

Inside: what explains and starts things. Not inside: anything a training needs.
"""

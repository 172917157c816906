"""What a recipe will do, found out before anything is trained.

Inside: the plan of every stage and the estimate of memory and steps. Not inside: doing it (`engine`, `training`).
"""

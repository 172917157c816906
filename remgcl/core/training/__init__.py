"""Training one stage: the job that a runner gets, and the loop that it launches.

Inside: job, loop and what a loop keeps. Not inside: how processes are started (parts of kind `runners`).
"""

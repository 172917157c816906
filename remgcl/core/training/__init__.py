"""Training one stage: what a runner is handed, and the loop it launches.

Inside: job, loop and what a loop keeps. Not inside: how processes are started (parts of kind `runners`).
"""

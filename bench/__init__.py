"""How fast remgcl is against the plainest way of doing the same, measured in one run."""

"""Every built-in judge promises what a judge does."""

from remgcl.plugins.judges import remgcl_register_judges
from remgcl.testing import conformance

for name, part in remgcl_register_judges().items():
    globals()[f"Test{name.title()}"] = conformance(part())

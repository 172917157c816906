"""Every built-in selector promises what a selector does."""

from remgcl.plugins.selectors import remgcl_register_selectors
from remgcl.testing import conformance

for name, part in remgcl_register_selectors().items():
    globals()[f"Test{name.title()}"] = conformance(part())

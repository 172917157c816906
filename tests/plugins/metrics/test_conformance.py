"""Every built-in metric promises what a metric does."""

from remgcl.plugins.metrics import remgcl_register_metrics
from remgcl.testing import conformance

for name, metric in remgcl_register_metrics().items():
    globals()[f"Test{name.title().replace('-', '')}"] = conformance(metric())

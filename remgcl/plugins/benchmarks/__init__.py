"""Benchmarks: published ones from local files, own ones by a description, and samples of any dataset."""

from collections.abc import Mapping

from remgcl import Benchmark, hookimpl
from remgcl.plugins.benchmarks.own import Own
from remgcl.plugins.benchmarks.samples import Samples


@hookimpl
def remgcl_register_benchmarks() -> Mapping[str, type[Benchmark]]:
    """Name the built-in benchmarks."""
    return {"own": Own, "samples": Samples}

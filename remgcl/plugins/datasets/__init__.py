"""Datasets: conversations about images."""

from collections.abc import Mapping

from remgcl import Benchmark, Dataset, hookimpl
from remgcl.plugins.datasets.llava_json import LlavaJson
from remgcl.plugins.datasets.mix import Mix
from remgcl.plugins.datasets.none import NoSamples
from remgcl.plugins.datasets.pages import Pages
from remgcl.plugins.datasets.synthetic import Synthetic
from remgcl.plugins.datasets.synthetic_benchmark import SyntheticBenchmark


@hookimpl
def remgcl_register_datasets() -> Mapping[str, type[Dataset]]:
    """Name the built-in datasets."""
    return {"llava_json": LlavaJson, "mix": Mix, "none": NoSamples, "pages": Pages, "synthetic": Synthetic}


@hookimpl
def remgcl_register_benchmarks() -> Mapping[str, type[Benchmark]]:
    """Name the benchmark that is drawn as the dataset is."""
    return {"synthetic": SyntheticBenchmark}

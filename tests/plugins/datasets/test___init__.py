"""The names of the built-in datasets, and what naming them costs."""

import subprocess
import sys

from remgcl import Engine
from remgcl.plugins import datasets


def test_each_dataset_is_known_by_its_name(engine: Engine) -> None:
    named = datasets.remgcl_register_datasets()
    assert named == {
        "llava_json": datasets.LlavaJson,
        "mix": datasets.Mix,
        "none": datasets.NoSamples,
        "pages": datasets.Pages,
        "synthetic": datasets.Synthetic,
    }
    for name, part in named.items():
        assert engine.registry.find("datasets", name) is part


def test_reading_settings_imports_no_heavy_library() -> None:
    program = (
        "import sys; from remgcl.plugins import datasets; "
        "datasets.Synthetic(), datasets.LlavaJson(path='x.json'); "
        "print({'torch', 'PIL', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert (done.stdout, done.stderr) == ("set()\n", "")

"""The pytest plugin: cheap, silent, and left out at will."""

import subprocess
import sys
from pathlib import Path

import pytest

OTHER = """
import sys

def test_nothing_heavy_is_imported() -> None:
    assert not {"torch", "transformers", "PIL"} & {*sys.modules}
    assert ("remgcl.testing.plugin" in sys.modules) == PLUGIN
"""


@pytest.mark.parametrize(("options", "plugin"), [((), True), (("-p", "no:remgcl"), False)])
def test_it_disturbs_no_other_test(tmp_path: Path, options: tuple[str, ...], *, plugin: bool) -> None:
    """With warnings as errors; where it is left out, nothing of it is imported."""
    (tmp_path / "test_other.py").write_text(f"PLUGIN = {plugin}\n{OTHER}")
    apart = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-W", "error", "-q"]
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "pytest",
        "--rootdir",
        str(tmp_path),
        *apart,
        *options,
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert "warning" not in done.stdout


def test_the_package_itself_needs_no_pytest() -> None:
    program = "import sys; sys.modules['pytest'] = None; import remgcl; print('remgcl.testing' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert (done.stdout, done.stderr) == ("False\n", "")

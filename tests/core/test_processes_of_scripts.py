"""Pools that a script starts without guarding its main part."""

import subprocess
import sys
from pathlib import Path


def test_a_script_without_a_guard_is_run_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "Path('made').mkdir()\n"
        "from remgcl.core.processes import processes\n"
        "with processes(2) as pool:\n"
        "    print(sorted(pool(abs, [-3, 2, -1])))\n"
    )
    ended = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[1, 2, 3]\n", "")

#!/usr/bin/env bash
# Shows that remgcl and plugins for it work once they are installed: wheels in a
# new virtual environment, a recipe of four plugins, the way from nothing to a
# training with a loss of one's own, and the tests of all. Called by `make examples`,
# with the Python of an environment that holds the libraries and what tests need.
set -euo pipefail
base=$(command -v "${1:-python3}")
cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INDEX=1 PIP_NO_BUILD_ISOLATION=0 PIP_QUIET=1  # 0: there is none
export PYTHONSAFEPATH=1 OMP_NUM_THREADS=1
unset PYTHONPATH

echo "== wheels"
# shellcheck disable=SC2046 - one word each
"$base" -m pip wheel --no-deps --wheel-dir "$place/wheels" . $(dirname examples/*/pyproject.toml)

echo "== a new environment"
"$base" -m venv --without-pip "$place/venv"
"$base" -m pip --python "$place/venv/bin/python" install --no-deps "$place"/wheels/*.whl
# Then it is shown the libraries of the first one. Its own packages come before
# them, and a .pth file in them is not read, so an editable remgcl is not seen.
"$base" -c 'import sys; print(*(path for path in sys.path if path.endswith("-packages")), sep="\n")' \
    > "$(echo "$place"/venv/lib/python*/site-packages)/libraries.pth"
cp -r examples "$place/examples"
cd "$place"
export PATH="$place/venv/bin:$PATH"
python - <<'HERE'
import sys
from importlib.metadata import entry_points
from pathlib import Path
import remgcl, remgcl_german_stopwords, remgcl_hard_negative
for module in (remgcl, remgcl_german_stopwords, remgcl_hard_negative):
    assert Path(module.__file__).is_relative_to(sys.prefix), module.__file__
plugins = entry_points(group="remgcl")
for point in plugins:
    assert Path(point.dist.locate_file("")).is_relative_to(sys.prefix), point
print(remgcl.__file__, f"{len(plugins)} plugins")
HERE

echo "== a recipe of four plugins"
remgcl parts > parts.txt
for name in hard-negative projection-head convnext-tower german-stopwords fsdp; do
    grep -x "  $name  ($name, remgcl-$name [0-9.]*)" parts.txt
done
remgcl check examples/recipe.toml
remgcl run examples/recipe.toml

echo "== from nothing to a training with a loss of one's own"
pip() { python -m pip "$@"; }
set -x
remgcl new-plugin fresh --kind loss
pip install -e remgcl-fresh
remgcl run remgcl-fresh/recipe.toml
{ set +x; } 2> /dev/null
grep -q '"fresh"' runs/fresh/train/metrics.jsonl

echo "== the tests of the plugins"
python -m pytest -q -p no:cacheprovider --durations=5 examples remgcl-fresh

#!/usr/bin/env bash
# Trains every variant of a grid with every seed, and compares them: tools/ablate.sh GRID.yml [--jobs N] [--help]
# PYTHON names the interpreter; by default that of quickstart.sh, where it is there, else python3.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="${PYTHON:-$here/.venv/bin/python}"
[ -n "${PYTHON:-}" ] || command -v "$python" >/dev/null || python=python3

# A few files tell in no time whether the package's requirements are there; importing PyTorch takes seconds.
if ! "$python" -c 'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ("torch", "pydantic"))))'; then
    echo "error: $python has no PyTorch: run \`bash tools/quickstart.sh\`, or set PYTHON to an interpreter that has it" >&2
    exit 1
fi
exec "$python" "$here/tools/ablate.py" "$@"

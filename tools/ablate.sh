#!/usr/bin/env bash
# Trains every variant of a grid with every seed, and compares them: tools/ablate.sh GRID.yml [--jobs N] [--help]
# PYTHON names the interpreter; by default that of quickstart.sh, where it is there, else python3.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="${PYTHON:-$here/.venv/bin/python}"
command -v "$python" >/dev/null || python=python3
exec "$python" "$here/tools/ablate.py" "$@"

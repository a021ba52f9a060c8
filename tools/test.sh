#!/usr/bin/env bash
# The whole test suite in the environment of quickstart.sh, with what tests need beside it. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/environment.sh

make_environment "[test]"
.venv/bin/python -m pytest "$@"

#!/usr/bin/env bash
# Collect in wheels/ (not committed) what a bare machine with torch lacks, for `make gpu` there without network.
# To be run where there is one: the wheels are pure Python, so that any Python 3.11 or later will do.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
rm -rf wheels
"$python" -m pip wheel --quiet --no-deps --wheel-dir wheels -c constraints.txt \
    hydra-core omegaconf antlr4-python3-runtime==4.9.3 submitit cloudpickle plotly narwhals
others=$(find wheels -name '*.whl' ! -name '*-none-any.whl')
test -z "$others" || { echo "not for every machine: $others" >&2; exit 1; }
test "$(du -sm wheels | cut -f1)" -lt 40 || { echo "wheels/ is larger than 40 MB" >&2; exit 1; }
ls wheels

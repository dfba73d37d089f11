#!/usr/bin/env bash
# Measure a step and an evaluation on one GPU, in under 8 minutes.
#
#     bash scripts/gpu_check.sh OUT [WHEELS]
#
# OUT is the folder for what is measured, WHEELS one of wheels to install from where there
# is no network. PyTorch and JAX are those of the machine; TensorFlow is not needed.
set -euo pipefail
out=$(realpath -m "${1:?Give a folder for what is measured}")
wheels=${2:+$(realpath "$2")}
cd "$(dirname "$0")/.."
mkdir -p "$out"

environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
python3 -m venv --system-site-packages "$environment"
"$environment/bin/pip" install --quiet ${wheels:+--no-index --find-links "$wheels"} \
  "keras>=3.15" numpy absl-py filelock pillow pyarrow pytest hypothesis
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1

# A failure of one is told and does not keep the others from running.
measure() {
  local name=$1 backend=$2 limit=$3
  shift 3
  echo "== $name ($backend): python $*"
  KERAS_BACKEND=$backend timeout "$limit" "$environment/bin/python" "$@" 2>&1 |
    tee "$out/$name.txt" || echo "$name failed, or took longer than $limit s" | tee -a "$out/$name.txt"
}

nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv | tee "$out/card.txt" || true
measure tests torch 60 -m pytest -q tests/backends/test_waits.py tests/imas/test_step.py
measure step_torch torch 150 scripts/benchmark.py step --preset=gpu --rounds=10 --json="$out/step_torch.json"
measure step_jax jax 150 scripts/benchmark.py step --preset=gpu --rounds=10 --pytorch= --json="$out/step_jax.json"
measure evaluate torch 60 scripts/benchmark.py evaluate --precision=mixed_bfloat16 --batch_size=4 --rounds=5
measure small torch 60 scripts/benchmark.py step --crop_size=129 --batch_size=4 --num_classes=12 --noparts --apart

#!/usr/bin/env bash
# Check and measure on a GPU what has only been run on CPUs, in one call of under 10 minutes.
#
#     bash benchmarks/gpu.sh OUT [COCO]
#
# OUT gets a log of each step, the benchmark's files, and steps.txt with the exit code of each step.
# COCO is a folder in COCO's layout; without it only the steps that need no data run. A step that
# fails or runs out of its time does not stop the others. DEVICE=cpu ITERS=3 tries the script itself.
set -u
cd "$(dirname "$0")/.." || exit 1
[ $# -ge 1 ] || { echo "usage: bash benchmarks/gpu.sh OUT [COCO]" >&2; exit 2; }
mkdir -p "$1" || exit 1
out=$(cd "$1" && pwd)
coco=${2:-}
device=${DEVICE:-cuda}
python=${PYTHON:-python}
half=$([ "$device" = cpu ] && echo bfloat16 || echo float16)
iters=${ITERS:-60}
failed=0
: > "$out/steps.txt"

step() {  # step NAME SECONDS COMMAND...
    local name=$1 seconds=$2 start=$SECONDS code
    shift 2
    timeout "$seconds" "$@" > "$out/$name.log" 2>&1
    code=$?
    [ $code = 0 ] || failed=1
    echo "$name: exit code $code after $((SECONDS - start)) of $seconds s" | tee -a "$out/steps.txt"
    tail -n 3 "$out/$name.log"
}

benchmark() {  # benchmark PART SECONDS
    step "$1" "$2" "$python" tools/benchmark.py "$coco" --parts "$1" --rounds 10 \
        --device "$device" --out "$out" --name "${device}_$1"
}

step machine 30 "$python" -m condinst doctor
# the Triton kernels on the GPU, post-processing there, and the stand-in's operators
step tests 110 "$python" -m pytest -q -p no:xdist -o addopts= tests/unit/models/dynamic_conv \
    tests/unit/evaluation/test_mask_encoding.py tests/unit/compat/mmcv_ext
step shapes 30 "$python" -m condinst make-shapes --train 200 --out "$out/shapes"
train=(-m condinst train quickstart_condinst_r18_fpn_shapes --seed 0 --amp "$half"
    --cfg-options "data_root=$out/shapes/" "train_cfg.max_iters=$iters" "train_cfg.val_interval=$iters")
step half_precision 60 "$python" "${train[@]}" --work-dir "$out/half"
# one process still builds the group, nccl's on a GPU, and reduces over it
step one_process 60 "$python" -m torch.distributed.run --standalone --nproc-per-node 1 \
    "${train[@]}" --work-dir "$out/one"
if [ -n "$coco" ]; then
    benchmark mask_head 50
    benchmark inference 60
    benchmark training 60
    benchmark rtmdet_inference 60
    benchmark rtmdet_training 60
fi
exit $failed

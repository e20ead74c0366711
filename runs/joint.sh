#!/usr/bin/env bash
# Explicit supervision alone against the joint objective, on what runs/tiny.sh made: same data, same steps, three seeds.
#
#     DD3G_SCALE=2 runs/tiny.sh out/tiny      first; twice the objects are a fair number to compare on
#     runs/joint.sh out/tiny OUT              two students a seed in OUT, and OUT/joint.json; ten to fifteen minutes on one core
#
# STEPS=160 SEEDS="0 1 2" BALANCE=0.1 in the environment change it. Safe to kill; the same command goes on.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    exit
fi
[[ $# -eq 2 && $1 != -* ]] || fail "found '$*', expected the folder of tiny.sh's results and one for ours; --help tells more"
base=$1 out=$2
steps=${STEPS:-160} seeds=${SEEDS:-0 1 2} balance=${BALANCE:-0.1}
whole STEPS "$steps"
number BALANCE "$balance"
need_extra train diffusers pyarrow
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
teacher=$base/teacher/last.safetensors

for seed in $seeds; do
    for arm in explicit joint; do
        verification=()
        [ "$arm" = explicit ] || verification=(--set "loss.implicit.balance=$balance")
        say "seed $seed, $arm"
        dd3g train "$base/views" "$base/drawn" "$base/inverted" --teacher "$teacher" --dev "$base/views-dev" --preset tiny \
            --steps "$steps" --batch 8 --seed "$seed" --perceptual none --init "$base/encoder/last.safetensors" \
            --set data.image_size=128 --set fit.lr=1e-3 --set fit.ema_decay=0.97 --set fit.warmup_steps=15 --set fit.log_every=20 \
            --set "fit.evaluate_every=$steps" --set "fit.sheet_every=$steps" --out "$out/$arm-$seed" "${verification[@]}"
    done
done

say "held-out objects, the joint one minus the explicit one"
"$PYTHON" "$root/runs/joint.py" "$out" --teacher "$teacher" --dev "$base/views-dev"

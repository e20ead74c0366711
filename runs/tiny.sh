#!/usr/bin/env bash
# The small story: procedural objects, a student that learns from them, a splat. No downloads, no third-party weights.
#
#     runs/tiny.sh [OUT]             results in OUT (default out/tiny); five minutes on two quiet cores
#     DD3G_SCALE=0.1 runs/tiny.sh    a tenth of the objects and steps, only to see that everything runs
#
# Safe to kill; the same command goes on. It shows the way, not the quality: that takes the objects and hours of runs/small.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    exit
fi
[[ $# -le 1 && ${1:-} != -* ]] || fail "found '$*', expected at most one folder for the results; --help tells more"
out=${1:-out/tiny}
scale=${DD3G_SCALE:-1}
number DD3G_SCALE "$scale"

# scaled COUNT LEAST: the count of the full story, made smaller or larger.
scaled() { calculate "$1 * $scale < $2 ? $2 : int($1 * $scale + 0.5)"; }

objects=$(scaled 60 4)
dev_objects=$(scaled 10 2)
encoder_steps=$(scaled 160 8)
student_steps=$(scaled 240 8)

say "1/5 views of $objects objects to learn from and of $dev_objects others to score by"
dd3g objects --procedural "$objects" --seed 1 --rig small --size 64 --input-size 128 --supersampling 2 --out "$out/views"
dd3g objects --procedural "$dev_objects" --seed 2 --rig small --size 96 --input-size 128 --supersampling 2 --out "$out/views-dev"

# Both networks are scored a few times on the way, not only at the end, so that a slow machine, stopped by the clock, has scores as well.
# A short run can't wait for the long memory of the default average, nor for its long warm-up.
short=(
    --preset tiny --set data.image_size=128 --set fit.ema_decay=0.97 --set fit.warmup_steps=20
    --set fit.log_every=$((1 + student_steps / 12))
)

say "2/5 the student's eyes: surfaces and camera from one picture (at most 1.5 minutes)"
# What the student began from must not change any more.
if [ ! -e "$out/student/config.json" ]; then
    dd3g teach encoder "$out/views" --dev "$out/views-dev" --out "$out/encoder" --batch 16 --steps "$encoder_steps" --max-minutes 1.5 \
        "${short[@]}" --set loss.semantics=0 --set fit.lr=2e-3 \
        --set fit.evaluate_every=$((1 + encoder_steps / 4)) --set fit.sheet_every="$encoder_steps"
fi

say "3/5 the student: Gaussians whose renders look like the true views (at most 2.5 minutes)"
dd3g train "$out/views" --dev "$out/views-dev" --out "$out/student" --batch 8 --steps "$student_steps" --max-minutes 2.5 \
    "${short[@]}" --perceptual none --init "$out/encoder/model.safetensors" --set fit.lr=1e-3 --set data.target_views=4 \
    --set fit.evaluate_every=$((1 + student_steps / 4)) --set fit.sheet_every=$((1 + student_steps / 4))

say "4/5 a splat from one picture of an object that it has never seen"
pictures=("$out"/views-dev/*/inputs/000.png)
picture=${pictures[0]}
dd3g generate "$picture" --model "$out/student/model.safetensors" --out "$out/splats"

# `dd3g evaluate` wants mesh files, and procedural objects have none: the run's own score, over views that it never saw, is the score.
best=$(sed -n 's/.*"dev_psnr": \([0-9.]*\).*/\1/p' "$out/student/metrics.jsonl" | sort -n | tail -n 1 | cut -c 1-5)
say "5/5 done. PSNR of 15 unseen views of each unseen object: ${best:-not scored, the time was up before} dB"
sheets=("$out"/student/sheets/*.png)
cat <<END
look at
  $out/student/report.html          curves and sheets of the run
  ${sheets[${#sheets[@]} - 1]}    input, ours, truth
  $out/splats/000.ply               the splat of $picture; drop it into a viewer
  $out/splats/000.png, 000.mp4      the same from eight sides, and turning
END

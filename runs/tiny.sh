#!/usr/bin/env bash
# The small story, the whole factory: procedural objects, a codec and a teacher that learn from them, quadruples along the teacher's ODE, a
# student of views and quadruples, a splat. Wants the extra `train`. No downloads, no third-party weights.
#
#     runs/tiny.sh [OUT]             results in OUT (default out/tiny); four to six minutes on two cores
#     DD3G_SCALE=0.1 runs/tiny.sh    a tenth of the objects and steps, only to see that everything runs
#     DD3G_SCALE=3 runs/tiny.sh      three times as much of both, and of the time that each stage may take: how examples/weights were made
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
need_extra train diffusers pyarrow embreex trimesh

# scaled COUNT LEAST: the count of the full story, made smaller or larger.
scaled() { calculate "$1 * $scale < $2 ? $2 : int($1 * $scale + 0.5)"; }
# Networks this small wait more than they compute; on a busy machine, threads that wait by spinning make that seven times as long.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

# at_most MINUTES: of a stage; more only where more was asked for.
at_most() { calculate "($scale > 1 ? $1 * $scale : $1)"; }

objects=$(scaled 60 4)
dev_objects=$(scaled 10 2)
encoder_steps=$(scaled 80 4)
codec_steps=$(scaled 160 4)
teacher_steps=$(scaled 220 4)
student_steps=$(scaled 120 4)

say "1/8 views of $objects objects to learn from and of $dev_objects others to score by"
# 64 px a side are 8 latents, which is what the tiny sizes of teacher and student have.
views=(--rig small --size 64 --input-size 128 --supersampling 2)
dd3g objects --procedural "$objects" --seed 1 "${views[@]}" --out "$out/views"
dd3g objects --procedural "$dev_objects" --seed 2 "${views[@]}" --out "$out/views-dev"

# short STEPS: options of a short run. Scored half way as well, so that a slow machine, stopped by the clock, has scores; it can't wait for
# the long memory of the default average, nor for its long warm-up.
short() {
    local half=$((5 + $1 / 2)) # and no less than all, of a handful of steps
    options=(
        --dev "$out/views-dev" --preset tiny --steps "$1" --set fit.ema_decay=0.97 --set fit.warmup_steps=15
        --set fit.log_every=$((1 + $1 / 12)) --set fit.evaluate_every=$half --set fit.sheet_every=$half
    )
}

say "2/8 the student's eyes: surfaces and camera from one picture (at most $(at_most 1) min)"
short "$encoder_steps"
# What something else began from must not change any more; so below.
if [ ! -e "$out/student/config.json" ]; then
    dd3g teach encoder "$out/views" "${options[@]}" --out "$out/encoder" --batch 16 --max-minutes "$(at_most 1)" \
        --set data.image_size=128 --set loss.semantics=0 --set fit.lr=2e-3
fi

say "3/8 the codec: pictures with alpha to latents and back (at most $(at_most 1) min)"
short "$codec_steps"
if [ ! -e "$out/teacher/config.json" ]; then
    dd3g teach codec "$out/views" "${options[@]}" --out "$out/codec" --batch 16 --max-minutes "$(at_most 1)" \
        --set data.crop=32 --set loss.perceptual=0 --set fit.lr=5e-3
fi

say "4/8 the teacher: four views at once from noise and a picture (at most $(at_most 2) min)"
short "$teacher_steps"
if [ ! -e "$out/drawn/plan.json" ]; then
    dd3g teach unet "$out/views" --codec "$out/codec/last.safetensors" "${options[@]}" --out "$out/teacher" --batch 8 --max-minutes "$(at_most 2)" \
        --set data.canonical=0.8 --set fit.lr=3e-3
fi
teacher=$out/teacher/last.safetensors # the best by its score may be the one of half way

say "5/8 quadruples that the teacher draws: noise followed to views"
ode=(--teacher "$teacher" --per-object 1 --steps 10 --size 128 --workers 1)
dd3g collect "$out/views" "${ode[@]}" --guidance 2 --draws 2 --out "$out/drawn"

say "6/8 quadruples of true views: followed back to the noise that the teacher's ODE ties to them"
dd3g collect "$out/views" "${ode[@]}" --invert --out "$out/inverted"

say "7/8 the student: Gaussians whose renders look like views: true, drawn and inverted (at most $(at_most 2) min)"
short "$student_steps"
dd3g train "$out/views" "$out/drawn" "$out/inverted" --teacher "$teacher" "${options[@]}" --out "$out/student" --batch 8 \
    --max-minutes "$(at_most 2)" --perceptual none --init "$out/encoder/last.safetensors" --set data.image_size=128 --set fit.lr=1e-3

say "8/8 a splat from one picture of an object that it has never seen"
pictures=("$out"/views-dev/*/inputs/000.png)
picture=${pictures[0]}
dd3g generate "$picture" --model "$out/student/model.safetensors" --out "$out/splats"

# newest RUN: its last sheet; without any, the time was up before.
newest() {
    local sheets=("$1"/sheets/*.png)
    local last=${sheets[${#sheets[@]} - 1]}
    if [ -e "$last" ]; then echo "$last"; else echo "$1/report.html"; fi
}

# `dd3g evaluate` wants mesh files, and procedural objects have none: the run's own score, over views that it never saw, is the score.
best=$(sed -n 's/.*"dev_psnr": \([0-9.]*\).*/\1/p' "$out/student/metrics.jsonl" | sort -n | tail -n 1 | cut -c 1-5)
round_trip=$(sed -n 's/.*"round_trip_db": \([0-9.]*\).*/\1/p' "$out/inverted/report.json" | cut -c 1-4)
say "done. PSNR of 15 unseen views of each unseen object: ${best:-not scored, the time was up before} dB"
cat <<END
True views to noise and back along the teacher's ODE: $round_trip dB ($out/inverted/report.json)
look at
  $(newest "$out/teacher")    the teacher: input, what it draws twice, truth
  $(newest "$out/student")    the student: input, ours, truth
  $out/student/report.html          its curves and sheets; the three other runs have theirs
  $out/splats/000.ply               the splat of $picture; drop it into a viewer
  $out/splats/000.png, 000.mp4      the same from eight sides, and turning
END

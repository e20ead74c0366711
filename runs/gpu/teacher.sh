#!/usr/bin/env bash
# A codec and a teacher on one GPU, under ten minutes: each at a constant rate first, then down its cosine in the time that is left.
#
#     runs/gpu/teacher.sh --dev DEV --out OUT [options] VIEWS...     VIEWS, DEV: archives of runs/gpu/pack.sh, or folders of views
#
#     --seconds S            both together (default 540)
#     --codec-seconds S      of it, for the codec (default 100)
#     --codec FILE           a codec that is there already: all the time is the teacher's
#     --init FILE            a teacher to go on from, which brings its codec
#     --work FOLDER          checkpoints, not to be carried home (default OUT/work)
#     --no-third-party       the codec without LPIPS; else DD3G_WEIGHTS must hold its weights
#
# In the environment, with what was used: DEVICE=cuda BATCH=128 CODEC_BATCH=64 LR=6e-4 CODEC_LR=1.5e-3 LOG_EVERY=25
#
# Results: OUT/codec.safetensors, OUT/teacher.safetensors (which holds its codec), OUT/logs. Safe to kill; the same command goes on with
# the part in hand.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../environment.sh"
started=$(date +%s)

: "${DEVICE:=cuda}" "${BATCH:=128}" "${CODEC_BATCH:=64}" "${LR:=6e-4}" "${CODEC_LR:=1.5e-3}" "${LOG_EVERY:=25}"
dev='' out='' seconds=540 codec_seconds=100 codec='' init='' work='' third_party=yes views=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit ;;
        --dev) dev=$(value_of "$@"); shift 2 ;;
        --out) out=$(value_of "$@"); shift 2 ;;
        --codec) codec=$(value_of "$@"); shift 2 ;;
        --init) init=$(value_of "$@"); shift 2 ;;
        --work) work=$(value_of "$@"); shift 2 ;;
        --seconds) seconds=$(value_of "$@"); whole "$1" "$seconds"; shift 2 ;;
        --codec-seconds) codec_seconds=$(value_of "$@"); whole "$1" "$codec_seconds"; shift 2 ;;
        --no-third-party) third_party=no; shift ;;
        -*) fail "$1: no such option; --help tells more" ;;
        *) views+=("$1"); shift ;;
    esac
done
[ -n "$dev" ] || fail "--dev: is missing, expected views to score by; --help tells more"
[ -n "$out" ] || fail "--out: is missing, expected a folder for the results; --help tells more"
[ ${#views[@]} -gt 0 ] || fail "found no views, expected one archive or more; --help tells more"
[ -z "$codec" ] || [ -z "$init" ] || fail "--codec and --init: a teacher brings its own codec; give one of the two"
work=${work:-$out/work}
perceptual=()
if [ $third_party = no ]; then perceptual=(--set loss.perceptual=0); else need_weights lpips-squeeze-backbone lpips-heads; fi
precision=()
[ "$DEVICE" = cpu ] || precision=(--set fit.precision=bfloat16)
mkdir -p "$work" "$out/logs"

left() { echo $((started + seconds - $(date +%s))); }

# Scanned and textured objects teach most and are few, see slice.sh.
common=(
    "${views[@]}" --dev "$dev" --device "$DEVICE" "${precision[@]}"
    --set fit.log_every="$LOG_EVERY" --set fit.save_every_s=1000 --set fit.sheet_every=100000 --set fit.evaluate_every=1000
)

# in_two_parts NAME LR SECONDS ARGUMENTS...: a third of the time at a constant rate, which measures steps a second; then the cosine.
in_two_parts() {
    local name=$1 lr=$2 whole_s=$3 begun steps rate b_seconds
    shift 3
    begun=$(date +%s)
    if [ ! -e "$work/$name-b/config.json" ]; then
        say "$name, part A: $((whole_s / 3)) s at a rate of $lr; $(left) s left"
        dd3g teach "$@" --out "$work/$name-a" --max-minutes "$(calculate "$whole_s / 180")" \
            --set fit.lr="$lr" --set fit.lr_final="$lr" --set fit.warmup_steps=100
    fi
    b_seconds=$((begun + whole_s - $(date +%s)))
    [ "$b_seconds" -ge 5 ] || fail "$name: $b_seconds s are left for part B; raise --seconds"
    if [ ! -s "$work/$name.steps" ]; then
        rate=$(sed -n 's/.*"steps_per_s": \([0-9.]*\).*/\1/p' "$work/$name-a/metrics.jsonl" | tail -n 8 | sort -n |
            awk '{ rates[NR] = $1 } END { print NR ? rates[int((NR + 1) / 2)] : 0 }')
        steps=$(calculate "int($rate * ($b_seconds - 12) * 0.92)") # 12 s to load, score, draw the sheet
        [ "$steps" -ge 1 ] || fail "$name: part A logged $rate steps a second; raise --seconds, or lower LOG_EVERY"
        echo "$steps" >"$work/$name.steps.partial"
        mv "$work/$name.steps.partial" "$work/$name.steps"
        say "measured $(calculate "sprintf(\"%.3g\", $rate)") steps a second"
    fi
    steps=$(cat "$work/$name.steps")
    say "$name, part B: $steps steps in at most $b_seconds s; $(left) s left"
    shift # the network's name: part B is given one that has begun
    dd3g teach "${name%-*}" "${common[@]}" --batch "$batch" "${own[@]}" --init "$work/$name-a/last.safetensors" --out "$work/$name-b" \
        --steps "$steps" --seed 1 --max-minutes "$(calculate "$b_seconds / 60")" \
        --set fit.lr="$lr" --set fit.lr_final=4e-6 --set fit.warmup_steps=30
    for part in a b; do
        [ ! -e "$work/$name-$part/metrics.jsonl" ] || cp "$work/$name-$part/metrics.jsonl" "$out/logs/$name-$part.jsonl"
    done
    for sheet in "$work/$name-b"/sheets/*.png; do
        [ ! -e "$sheet" ] || cp "$sheet" "$out/logs/$name-${sheet##*/}"
    done
}

if [ -z "$codec" ] && [ -z "$init" ]; then
    batch=$CODEC_BATCH own=("${perceptual[@]}")
    in_two_parts codec "$CODEC_LR" "$codec_seconds" codec "${common[@]}" --batch "$batch" "${own[@]}"
    cp "$work/codec-b/last.safetensors" "$out/codec.safetensors"
    codec=$out/codec.safetensors
fi

batch=$BATCH own=(--set 'data.repeat=[["gso",5],["ycb",4],["aws",2],["gazebo",2],["drake",4],["babylon",3]]')
start=(--codec "$codec")
[ -z "$init" ] || start=(--init "$init")
in_two_parts unet "$LR" "$(left)" unet "${common[@]}" --batch "$batch" "${own[@]}" "${start[@]}"
cp "$work/unet-b/last.safetensors" "$out/teacher.safetensors"
say "done, $(left) s left; $out holds the codec and the teacher, $out/logs the curves and sheets"

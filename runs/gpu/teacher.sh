#!/usr/bin/env bash
# A codec and a teacher on one GPU, under ten minutes: each down a cosine that ends in its time.
#
#     runs/gpu/teacher.sh --dev DEV --out OUT [options] VIEWS...     VIEWS, DEV: archives of runs/gpu/pack.sh, or folders of views
#
#     --seconds S            both together (default 540)
#     --codec-seconds S      of it, for the codec (default 200)
#     --codec FILE           a codec that is there already: all the time is the teacher's
#     --init FILE            a teacher to go on from, which brings its codec
#     --work FOLDER          checkpoints, not to be carried home (default OUT/work)
#     --no-third-party       the codec without LPIPS; else DD3G_WEIGHTS must hold its weights
#
# In the environment, with what was used: DEVICE=cuda BATCH=256 CODEC_BATCH=128 LR=6e-4 CODEC_LR=1.5e-3 LOG_EVERY=25
# TRY_SECONDS=10 (to measure steps a second) ENCODING_SECONDS=60 (kept for what the teacher does beside its steps) GRAPHS=yes (on a GPU the
# teacher is recorded as CUDA graphs)
#
# Results: OUT/codec.safetensors, OUT/teacher.safetensors (which holds its codec), OUT/logs. Safe to kill; the same command goes on with
# the part in hand.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../environment.sh"
started=$(date +%s)

: "${DEVICE:=cuda}" "${GRAPHS:=yes}" "${BATCH:=256}" "${CODEC_BATCH:=128}" "${LR:=6e-4}" "${CODEC_LR:=1.5e-3}" "${LOG_EVERY:=25}" "${TRY_SECONDS:=10}" "${ENCODING_SECONDS:=60}"
dev='' out='' seconds=540 codec_seconds=200 codec='' init='' work='' third_party=yes views=()
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
precision=() graphs=()
[ "$DEVICE" = cpu ] || [ "$GRAPHS" = no ] || graphs=(--graphs)
[ "$DEVICE" = cpu ] || precision=(--set fit.precision=bfloat16)
mkdir -p "$work" "$out/logs"
[ ! -e "$work/no-graphs" ] || graphs=()

# try NAME ARGUMENTS...: a few seconds of training on DEV, to measure steps a second.
try() {
    rm -rf "$work/$1-try"
    dd3g teach "${@:2}" "$dev" --out "$work/$1-try" --steps 100000 --max-minutes "$(calculate "$TRY_SECONDS / 60")" "${settings[@]}"
}

without_graphs() {
    local kept=() setting
    for setting in "${settings[@]}"; do [ "$setting" = --graphs ] || kept+=("$setting"); done
    settings=("${kept[@]}") graphs=()
    touch "$work/no-graphs" # what is resumed goes on without them too
}

# timed NAME LR SECONDS ARGUMENTS...: measures steps a second on the few objects of DEV, then runs down a cosine that ends in time.
timed() {
    local name=$1 lr=$2 whole_s=$3 begun rate steps
    shift 3
    begun=$(date +%s)
    if [ ! -s "$work/$name.steps" ]; then
        say "$name: measuring; $(left) s left"
        try "$name" "$@" || {
            # 2 is a wrong input, which graphs don't change; anything else may be theirs, and a slice is too dear to lose to them
            [ $? -ne 2 ] && [ $name = unet ] && [ ${#graphs[@]} -gt 0 ] || fail "$name: can't be trained; see above"
            say "$name failed with CUDA graphs; again without"
            without_graphs
            try "$name" "$@"
        }
        rate=$(rate_of "$work/$name-try")
        steps=$(calculate "int($rate * ($begun + $whole_s - $(date +%s) - $reserve) * 0.95)")
        [ "$steps" -ge 1 ] || fail "$name: $rate steps a second in $TRY_SECONDS s leave no time to train; raise --seconds, or lower LOG_EVERY"
        echo "$steps" >"$work/$name.steps.partial"
        mv "$work/$name.steps.partial" "$work/$name.steps"
        say "measured $(calculate "sprintf(\"%.3g\", $rate)") steps a second"
    fi
    steps=$(cat "$work/$name.steps")
    say "$name: $steps steps; $(left) s left"
    dd3g teach "$@" "${views[@]}" --dev "$dev" --out "$work/$name" --steps "$steps" "${settings[@]}" \
        --max-minutes "$(calculate "($begun + $whole_s - $(date +%s)) / 60")" \
        --set fit.lr="$lr" --set fit.lr_final=4e-6 --set fit.warmup_steps=100 --set fit.evaluate_every=1000
    [ ! -e "$work/$name/metrics.jsonl" ] || cp "$work/$name/metrics.jsonl" "$out/logs/$name.jsonl"
    for sheet in "$work/$name"/sheets/*.png; do
        [ ! -e "$sheet" ] || cp "$sheet" "$out/logs/$name-${sheet##*/}"
    done
}

always=(
    --device "$DEVICE" ${precision[@]+"${precision[@]}"}
    --set fit.log_every="$LOG_EVERY" --set fit.save_every_s=1000 --set fit.sheet_every=100000
)
if [ -z "$codec" ] && [ -z "$init" ]; then
    reserve=8 settings=("${always[@]}" --batch "$CODEC_BATCH" ${perceptual[@]+"${perceptual[@]}"})
    timed codec "$CODEC_LR" "$codec_seconds" codec
    cp "$work/codec/last.safetensors" "$out/codec.safetensors"
    codec=$out/codec.safetensors
fi

# ENCODING_SECONDS to encode every view, to score, and to draw the sheet.
start=(--codec "$codec")
[ -z "$init" ] || start=(--init "$init")
reserve=$ENCODING_SECONDS settings=("${always[@]}" --batch "$BATCH" --set "$repeat" "${start[@]}" ${graphs[@]+"${graphs[@]}"})
timed unet "$LR" "$(left)" unet
cp "$work/unet/last.safetensors" "$out/teacher.safetensors"
say "done, $(left) s left; $out holds the codec and the teacher, $out/logs the curves and sheets"

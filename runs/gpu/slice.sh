#!/usr/bin/env bash
# One slice of training on one GPU, under ten minutes: the encoder, the student at a constant rate, the student down its cosine.
#
#     runs/gpu/slice.sh --dev DEV --out OUT [options] VIEWS...     VIEWS, DEV: archives of runs/gpu/pack.sh, or folders of views
#
#     --seconds S            the whole slice (default 560)
#     --encoder-seconds S    of it, teaching the encoder (default 57)
#     --first-seconds S      of it, part A of the student: constant rate; it also measures steps per second (default 72)
#     --reserve-seconds S    of it, kept for loading, the last scores and the export of part B (default 42)
#     --init MODEL           go on from this model file, the encoder too
#     --no-encoder           leave the encoder's part out
#     --work FOLDER          checkpoints, not to be carried home (default OUT/work)
#     --no-third-party       without LPIPS and without the classifier's semantics; else DD3G_WEIGHTS must hold their weights
#
# In the environment, with what was used: DEVICE=cuda BATCH=128 PRESET=small LR=8e-4 ENCODER_STEPS=900 ENCODER_LR=1e-3 RENDER_SIZE=96 LOG_EVERY=50
#
# Part B takes the time that is left, and as many steps as end its cosine in that time: rate x seconds x 0.92. Results are small:
# OUT/student/model.safetensors.part0 ... of at most 15 MB, OUT/logs. Safe to kill; the same command goes on with the part in hand.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../environment.sh"
started=$(date +%s)

: "${DEVICE:=cuda}" "${BATCH:=128}" "${PRESET:=small}" "${LR:=8e-4}" "${ENCODER_STEPS:=900}" "${ENCODER_LR:=1e-3}" "${RENDER_SIZE:=96}" "${LOG_EVERY:=50}"
dev='' out='' seconds=560 encoder_seconds=57 first_seconds=72 reserve=42 init='' work='' third_party=yes teach_encoder=yes views=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit ;;
        --dev) dev=$(value_of "$@"); shift 2 ;;
        --out) out=$(value_of "$@"); shift 2 ;;
        --init) init=$(value_of "$@"); shift 2 ;;
        --work) work=$(value_of "$@"); shift 2 ;;
        --seconds) seconds=$(value_of "$@"); whole "$1" "$seconds"; shift 2 ;;
        --encoder-seconds) encoder_seconds=$(value_of "$@"); whole "$1" "$encoder_seconds"; shift 2 ;;
        --first-seconds) first_seconds=$(value_of "$@"); whole "$1" "$first_seconds"; shift 2 ;;
        --reserve-seconds) reserve=$(value_of "$@"); whole "$1" "$reserve"; shift 2 ;;
        --no-third-party) third_party=no; shift ;;
        --no-encoder) teach_encoder=no; shift ;;
        -*) fail "$1: no such option; --help tells more" ;;
        *) views+=("$1"); shift ;;
    esac
done
[ -n "$dev" ] || fail "--dev: is missing, expected views to score by; --help tells more"
[ -n "$out" ] || fail "--out: is missing, expected a folder for the results; --help tells more"
[ ${#views[@]} -gt 0 ] || fail "found no views, expected one archive or more; --help tells more"
work=${work:-$out/work}
perceptual=(--perceptual lpips-squeeze) semantics=()
if [ $third_party = yes ]; then
    needed=(lpips-squeeze-backbone lpips-heads)
    [ $teach_encoder = no ] || needed+=(mobilenet-v2)
    need_weights "${needed[@]}"
else
    perceptual=(--perceptual none) semantics=(--set loss.semantics=0)
fi
graphs=()
[ "$DEVICE" = cpu ] || graphs=(--graphs)
mkdir -p "$work" "$out/logs"

minutes() { calculate "$1 / 60"; }

common=(
    "${views[@]}" --dev "$dev" --batch "$BATCH" --device "$DEVICE"
    --set fit.log_every="$LOG_EVERY" --set fit.save_every_s=1000 --set fit.sheet_every=100000
    --set "$repeat"
)
student=("${common[@]}" "${perceptual[@]}" "${objective[@]}" --set data.render_size="$RENDER_SIZE" --set data.target_views=6)

# What a part began from must not change any more, so a part is over as soon as the next one has begun.
[ -n "$init" ] || [ $teach_encoder = yes ] || fail "--no-encoder: wants --init, a model whose encoder has been taught; --help tells more"
if [ $teach_encoder = yes ]; then
    before=(--preset "$PRESET")
    [ -z "$init" ] || before=(--init "$init")
    init=$work/encoder/last.safetensors
    if [ ! -e "$work/a/config.json" ]; then
        say "encoder, $ENCODER_STEPS steps in at most $encoder_seconds s; $(left) s left"
        dd3g teach encoder "${common[@]}" "${before[@]}" --out "$work/encoder" --steps "$ENCODER_STEPS" \
            --max-minutes "$(minutes "$encoder_seconds")" ${semantics[@]+"${semantics[@]}"} --set fit.lr="$ENCODER_LR" --set fit.evaluate_every=300
    fi
fi

# Parts go on from last states: the best one by a score that a part is too short to move would throw the rest of its steps away.
part_a() {
    dd3g train "${student[@]}" "$@" --init "$init" --out "$work/a" --max-minutes "$(minutes "$first_seconds")" \
        --set fit.lr="$LR" --set fit.lr_final="$LR" --set fit.warmup_steps=100 --set fit.evaluate_every=300
}
if [ ! -e "$work/b/config.json" ]; then
    say "student, part A: $first_seconds s at a rate of $LR; $(left) s left"
    status=0
    part_a ${graphs[@]+"${graphs[@]}"} || status=$?
    if [ $status -ne 0 ]; then
        # 2 is a wrong input, which graphs don't change; anything else may be theirs, and a slice is too dear to lose to them
        [ $status -ne 2 ] && [ ${#graphs[@]} -gt 0 ] || exit $status
        say "part A failed with CUDA graphs; again without"
        graphs=()
        part_a
    fi
fi

b_seconds=$(($(left) - reserve))
[ "$b_seconds" -ge 5 ] || fail "$(left) s are left for part B and $reserve of them are reserved; raise --seconds, or lower the other parts'"
if [ ! -s "$work/b.steps" ]; then # kept: a resumed run has the steps that it began with
    rate=$(rate_of "$work/a")
    steps=$(calculate "int($rate * $b_seconds * 0.92)")
    [ "$steps" -ge 1 ] || fail "part A logged $rate steps a second in $first_seconds s; raise --first-seconds, or lower LOG_EVERY"
    echo "$steps" >"$work/b.steps.partial"
    mv "$work/b.steps.partial" "$work/b.steps"
    say "measured $(calculate "sprintf(\"%.3g\", $rate)") steps a second"
fi
steps=$(cat "$work/b.steps")
say "student, part B: $steps steps in at most $b_seconds s; $(left) s left"
dd3g train "${student[@]}" ${graphs[@]+"${graphs[@]}"} --init "$work/a/last.safetensors" --out "$work/b" --steps "$steps" --seed 1 \
    --max-minutes "$(minutes "$b_seconds")" --set fit.lr="$LR" --set fit.lr_final=4e-6 --set fit.warmup_steps=50 \
    --set fit.evaluate_every=600 --export "$out/student"

for part in encoder a b; do
    [ ! -e "$work/$part/metrics.jsonl" ] || cp "$work/$part/metrics.jsonl" "$out/logs/$part.jsonl"
done
cp "$work/b/config.json" "$out/logs/"
for sheet in "$work"/b/sheets/*.png; do
    [ ! -e "$sheet" ] || cp "$sheet" "$out/logs/"
done
say "done, $(left) s left; $out/student holds the model in parts, $out/logs the curves; runs/README.md says how to go on"

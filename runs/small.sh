#!/usr/bin/env bash
# The bundled model's recipe on a CPU: the encoder is taught first, the student starts from it.
#
#     runs/small.sh [options] VIEWS... DEV OUT     VIEWS, DEV: folders that `dd3g objects` made, without an object in common
#
#     --init CKPT          go on from these weights, the encoder too; `bundled` for the package's own
#     --no-encoder         leave the encoder's part out
#     --steps N            of the student (default 10900, with --init 1700)
#     --half               bfloat16 products: on CPUs that have them (avx512_bf16 in /proc/cpuinfo) a step takes 0.6 to 0.7 of the time
#     --threads N          CPU threads (default: all cores)
#     --max-minutes M      stop after this long; the same command goes on
#     --no-third-party     without LPIPS and without the classifier's semantics; else DD3G_WEIGHTS must hold their weights
#
# As many samples as a GPU saw at first, in smaller steps: 115,000 pictures for the encoder, 174,000 for the student, or 27,000 with --init.
# On two quiet cores of a Zen 4 EPYC with --half: 28 pictures and 9 samples a second, that is 70 minutes and 5.4 hours (50 minutes with
# --init); without --half 21 and 6. Up to 8 GB, most of it pages of the views' files.
# Safe to kill; the same command goes on. OUT/student/model.safetensors is the best so far at any time.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

encoder_steps=3600
init='' steps='' session=() half=() third_party=yes teach_encoder=yes places=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit ;;
        --init) init=$(value_of "$@"); shift 2 ;;
        --steps) steps=$(value_of "$@"); whole "$1" "$steps"; shift 2 ;;
        --threads) value=$(value_of "$@"); whole "$1" "$value"; session+=("$1" "$value"); shift 2 ;;
        --max-minutes) value=$(value_of "$@"); number "$1" "$value"; session+=("$1" "$value"); shift 2 ;;
        --no-third-party) third_party=no; shift ;;
        --no-encoder) teach_encoder=no; shift ;;
        --half) half=(--set fit.precision=bfloat16); shift ;;
        -*) fail "$1: no such option; --help tells more" ;;
        *) places+=("$1"); shift ;;
    esac
done

# go_on_only_after STEPS RUN: a stage that was stopped (--max-minutes, Ctrl-C) ends well too, but the next one must wait for its end.
go_on_only_after() {
    if ! grep -q "\"step\": $1[,}]" "$2/metrics.jsonl"; then
        say "stopped; the same command goes on"
        exit
    fi
}

count=${#places[@]}
[ "$count" -ge 3 ] || fail "found $count names, expected VIEWS... DEV OUT; --help tells more"
views=("${places[@]:0:count-2}") dev=${places[count-2]} out=${places[count-1]}

perceptual=(--perceptual lpips-squeeze) semantics=()
if [ $third_party = yes ]; then
    needed=(lpips-squeeze-backbone lpips-heads)
    [ $teach_encoder = no ] || needed+=(mobilenet-v2)
    need_weights "${needed[@]}"
else
    perceptual=(--perceptual none) semantics=(--set loss.semantics=0)
fi
common=(
    --dev "$dev" ${session[@]+"${session[@]}"} ${half[@]+"${half[@]}"}
    --set "$repeat"
)

[ -n "$init" ] || [ $teach_encoder = yes ] || fail "--no-encoder: wants --init, a model whose encoder has been taught; --help tells more"
# Trained weights want a gentle rate, a short warm-up, and an average that follows in hundreds of steps.
if [ -n "$init" ]; then
    encoder_rate=(--init "$init" --set fit.lr=5e-4 --set fit.lr_final=5e-6 --set fit.warmup_steps=80 --set fit.ema_decay=0.997)
    student_rate=(--set fit.lr=3e-4 --set fit.lr_final=3e-6 --set fit.warmup_steps=40 --set fit.ema_decay=0.995)
    steps=${steps:-1700}
else
    encoder_rate=()
    student_rate=(--set fit.lr=4e-4 --set fit.lr_final=4e-6)
    steps=${steps:-10900}
fi
if [ $teach_encoder = yes ]; then
    # What the student began from must not change any more.
    if [ ! -e "$out/student/config.json" ]; then
        say "1/2 the encoder: surfaces, camera and semantics from one picture"
        dd3g teach encoder "${views[@]}" --out "$out/encoder" --batch 32 --steps "$encoder_steps" "${common[@]}" \
            ${encoder_rate[@]+"${encoder_rate[@]}"} ${semantics[@]+"${semantics[@]}"} --set fit.evaluate_every=300 --set fit.sheet_every=900
        go_on_only_after "$encoder_steps" "$out/encoder"
    fi
    init=$out/encoder/last.safetensors
fi

say "2/2 the student"
dd3g train "${views[@]}" --out "$out/student" --batch 16 --init "$init" --steps "$steps" "${student_rate[@]}" "${common[@]}" \
    "${perceptual[@]}" "${objective[@]}" \
    --set data.render_size=96 --set data.target_views=4 --set loss.explicit.perceptual_views=2 --set fit.evaluate_every=150 --set fit.sheet_every=450

go_on_only_after "$steps" "$out/student"
say "done; look at $out/student/report.html, then"
echo "  dd3g generate PICTURE --model $out/student/model.safetensors --out splats"

#!/usr/bin/env bash
# Folders of views as small archives, to carry to a GPU machine, and whether all of them together are small enough to travel at once.
#
#     runs/gpu/pack.sh [--out FOLDER] [--quality Q] [--limit MIB] VIEWS...
#
#     --out FOLDER     where the archives go (default out/packs): NAME-qQ.dd3g for each VIEWS/NAME
#     --quality Q      of the pictures, WebP, 0 to 100 (default 75: about 50 KB an object)
#     --limit MIB      what may travel at once (default 64)
#
# Archives that are there and newer than their views are kept. More than the limit is exit status 2: carry them in several trips.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../environment.sh"

out=out/packs quality=75 limit=64 views=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit ;;
        --out) out=$(value_of "$@"); shift 2 ;;
        --quality) quality=$(value_of "$@"); shift 2 ;;
        --limit) limit=$(value_of "$@"); number "$1" "$limit"; shift 2 ;;
        -*) fail "$1: no such option; --help tells more" ;;
        *) views+=("${1%/}"); shift ;;
    esac
done
[ ${#views[@]} -gt 0 ] || fail "found no folders of views, expected one or more; --help tells more"

archives=() # "bytes name", a line each
for folder in "${views[@]}"; do
    [ -d "$folder" ] || fail "$folder: no such folder; make views with \`dd3g objects\`"
    archive=$out/${folder##*/}-q$quality.dd3g
    # The folder itself is newer when an object came or went, an object.json when one was rendered again.
    if [ ! -e "$archive" ] || [ "$folder" -nt "$archive" ] ||
        [ -n "$(find "$folder" -mindepth 2 -maxdepth 2 -name object.json -newer "$archive")" ]; then
        dd3g archive "$folder" --out "$archive" --quality "$quality"
    fi
    archives+=("$(wc -c <"$archive") $archive")
done
printf '%s\n' "${archives[@]}" | awk -v limit="$limit" '
    { bytes = $1; sub(/^ *[0-9]+ /, ""); printf "%8.1f MiB  %s\n", bytes / 1048576, $0; sum += bytes }
    END {
        printf "%8.1f MiB  of %g that travel at once\n", sum / 1048576, limit
        if (sum > limit * 1048576) {
            printf "pack.sh: the archives are %.1f MiB together, expected at most %g; lower --quality, or carry them in several trips\n",
                sum / 1048576, limit > "/dev/stderr"
            exit 2
        }
    }'

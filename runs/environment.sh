# Sourced by the scripts here: which Python runs, the command `dd3g`, what a student is asked, and how they speak.
# shellcheck disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -z "${PYTHON:-}" ]; then
    PYTHON=$root/.venv/bin/python
    [ -x "$PYTHON" ] || PYTHON=python3 # a GPU machine has its own torch, and the checkout is not installed there
fi
export PYTHONPATH=$root/src${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1

# A training takes Ctrl-C as "stop after this step, with everything saved" and ends well; the script must not go on to its next part then.
trap 'exit 130' INT
trap 'exit 143' TERM

dd3g() { "$PYTHON" -m dd3g.cli.main "$@"; }

# What a student is asked, found by trials (docs/lab-log.md): the logarithm of the error hears easy objects too, surfaces are what is missing.
objective=(
    --set data.white=0.5 --set loss.explicit.mse=0.5 --set loss.explicit.log_mse=0.03 --set loss.explicit.perceptual=0.1
    --set loss.surfaces=0.4 --set loss.slopes=0.1
)

say() { printf '\n== %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 2
}

# Prints the comment at the top of the script that is running.
usage() { awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"; }

# An option's value: value=$(value_of "$@"), where $1 is the option. In $( ) fail ends only the subshell; set -e does the rest, but not in
# front of an &&.
value_of() {
    [ $# -ge 2 ] || fail "$1: expected a value after it; --help tells more"
    printf '%s' "$2"
}

# left: seconds that a script with a `started` and a `seconds` has.
left() { echo $((started + seconds - $(date +%s))); }

# rate_of RUN: steps a second, the median of the last eight that its journal tells; 0 where it tells none.
rate_of() {
    sed -n 's/.*"steps_per_s": \([0-9.]*\).*/\1/p' "$1/metrics.jsonl" | tail -n 8 | sort -n |
        awk '{ rates[NR] = $1 } END { print NR ? rates[int((NR + 1) / 2)] : 0 }'
}

# Scanned and textured objects teach most and are few: once in a round of made ones is too seldom. Names begin with their source.
repeat='data.repeat=[["gso",5],["ycb",4],["aws",2],["gazebo",2],["drake",4],["babylon",3]]'

# number NAME VALUE: refuses what is no number above 0.
number() {
    [[ $2 =~ ^[0-9]+(\.[0-9]+)?$ && $2 =~ [1-9] ]] || fail "$1: found '$2', expected a number above 0"
}

# whole NAME VALUE: the same for whole numbers.
whole() {
    [[ $2 =~ ^[1-9][0-9]{0,6}$ ]] || fail "$1: found '$2', expected a whole number above 0"
}

# calculate 'EXPRESSION': bash itself has whole numbers only.
calculate() { awk "BEGIN { print $1 }"; }

# Asked for at the start: what an extra of the package brings, by the modules' names.
need_extra() {
    "$PYTHON" - "${0##*/}" "$@" <<'END' || exit 2
import sys
from importlib.util import find_spec

script, extra, *modules = sys.argv[1:]
if missing := [name for name in modules if find_spec(name) is None]:
    sys.exit(f"{script}: {', '.join(missing)}: not installed; pip install 'dd3g[{extra}]', or make setup in a checkout")
END
}

# Asked for before hours are spent: third-party weights by name, found in DD3G_WEIGHTS.
need_weights() {
    "$PYTHON" - "${0##*/}" "$@" <<'END' || exit 2
import sys
from dd3g.core.errors import WeightsError
from dd3g.core.weights import find_weights

try:
    for name in sys.argv[2:]:
        find_weights(name)
except WeightsError as error:
    sys.exit(f"{sys.argv[1]}: {error}, or give --no-third-party")
END
}

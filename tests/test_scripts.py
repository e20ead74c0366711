"""The shell scripts below `runs/` can't rot: they parse, and all that they hand to `dd3g` is known there.

The scripts run whole, with a Python in their way that notes `dd3g`'s arguments and leaves files like those of the real command.
"""

import os
import re
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from dd3g.cli.main import COMMANDS, parser_of
from dd3g.formats import load
from dd3g.recipes import codec_run, teacher_run
from dd3g.recipes.student_run import StudentRunOptions, resolve, resolve_encoder
from dd3g.recipes.views_run import ViewsRunOptions
from tests.extras import needs_train

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs"
SCRIPTS = sorted((ROOT / "runs").rglob("*.sh"))
RUNNABLE = [script for script in SCRIPTS if script.name != "environment.sh"]
LOGS = {"encoder.jsonl", "a.jsonl", "b.jsonl", "config.json", "0000100.png"}
_END, _SPACE = "\x1e", "\x1f"

STAND_IN = r"""#!/usr/bin/env bash
set -euo pipefail
[ "$1" = -m ] || exec "$REAL_PYTHON" "$@"
shift 2
{ printf '%s\x1f' "$@"; printf '\x1e'; } >>"$NOTES"
command=$1 out='' export='' graphs='' steps=0
while [ $# -gt 0 ]; do
    case $1 in --out) out=$2 ;; --export) export=$2 ;; --steps) steps=$2 ;; --graphs) graphs=yes ;; esac
    shift
done
case $command in
    archive) mkdir -p "$(dirname "$out")"; echo views >"$out" ;;
    collect)
        mkdir -p "$out"; touch "$out/plan.json"
        printf '{\n  "round_trip_db": 42.345678\n}\n' >"$out/report.json" ;;
    objects) mkdir -p "$out/made/inputs"; touch "$out/made/object.json" "$out/made/inputs/000.png" ;;
    teach | train)
        [ -z "${GRAPHS_FAIL:-}" ] || [ -z "$graphs" ] || exit 1
        mkdir -p "$out/sheets"
        touch "$out/model.safetensors" "$out/last.safetensors" "$out/config.json" "$out/sheets/0000100.png"
        printf '{"kind": "train", "step": 1, "steps_per_s": %s}\n' 9.5 8.5 7.5 >"$out/metrics.jsonl"
        printf '{"kind": "evaluate", "step": %s, "dev_psnr": 21.5}\n' "$steps" >>"$out/metrics.jsonl" ;;
esac
[ -z "$export" ] || { mkdir -p "$export"; touch "$export/model.safetensors.part0"; }
"""


@pytest.fixture
def script(tmp_path):
    """Runs one script in a folder of its own; gives its outcome and what it told `dd3g`."""
    stand_in, notes = tmp_path / "python", tmp_path / "notes"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    for name in ("views", "views-dev"):
        (tmp_path / name / "made").mkdir(parents=True)
        (tmp_path / name / "made" / "object.json").touch()

    def run(name: str, *arguments: str, **variables: str):
        notes.write_text("")
        paths = {"PYTHON": str(stand_in), "REAL_PYTHON": sys.executable, "NOTES": str(notes)}
        environment = {**os.environ, "DD3G_WEIGHTS": str(tmp_path / "none"), **paths, **variables}
        done = subprocess.run([RUNS / name, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        return done, [call.split(_SPACE)[:-1] for call in notes.read_text().split(_END)[:-1]]

    return run


def refuse_unknown(call: list[str]) -> None:
    """Parses one call of `dd3g` as it would, settings and all."""
    name, *arguments = call
    options = parser_of(name).parse_args(arguments)
    if name in ("train", "teach"):
        run = ViewsRunOptions((), overrides=tuple(options.set))
        network = "student" if name == "train" else options.network
        if network in ("codec", "unet"):
            (codec_run if network == "codec" else teacher_run).resolve(run, options.preset)
        else:
            (resolve if network == "student" else resolve_encoder)(StudentRunOptions(run, preset=options.preset))


def setting(call: list[str], name: str) -> str:
    """The value of an option or of a `--set`."""
    found = [b.removeprefix(f"{name}=") for a, b in pairwise(call) if a == name or b.startswith(f"{name}=")]
    return found[-1]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(RUNS).as_posix())
def test_parses(path):
    done = subprocess.run(["bash", "-n", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda path: path.relative_to(RUNS).as_posix())
def test_stops_at_the_first_error_and_can_be_started(path):
    assert "\nset -euo pipefail\n" in path.read_text()
    assert path.stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize("path", [*SCRIPTS, RUNS / "README.md"], ids=lambda path: path.relative_to(RUNS).as_posix())
def test_every_option_is_one_of_dd3g_or_of_a_script(path):
    """What the runs below don't come to is looked at as well."""
    known = {"--help", "--set"}
    for name in COMMANDS:
        parsers = [parser_of(name)]
        for action in parsers[0]._actions:
            if name == "teach" and action.dest == "network":
                assert action.choices is not None
                parsers += dict(action.choices).values()  # pyright: ignore[reportArgumentType, reportCallIssue]
        known |= {option for parser in parsers for option in parser._option_string_actions}
    for script in RUNNABLE:
        own = re.findall(r"^ +(-[^)]*)\) ", script.read_text(), re.MULTILINE)
        known |= {word for pattern in own for word in pattern.replace("|", " ").split()}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", path.read_text())) <= known


def stages(calls: list[list[str]]) -> list[str]:
    """The commands, and for `teach` the network."""
    return [call[1] if call[0] == "teach" else call[0] for call in calls]


@needs_train
def test_tiny(script):
    done, calls = script("tiny.sh", "out")
    assert done.returncode == 0, done.stderr
    assert stages(calls) == ["objects", "objects", "encoder", "codec", "unet", "collect", "collect", "train", "generate"]
    for call in calls:
        refuse_unknown(call)
    _, _, encoder, codec, unet, drawn, inverted, student, _ = calls
    assert setting(encoder, "loss.semantics") == setting(codec, "loss.perceptual") == "0"
    assert setting(student, "--perceptual") == "none"
    assert {setting(call, "--preset") for call in (encoder, codec, unet, student)} == {"tiny"}
    assert setting(unet, "--codec") == "out/codec/last.safetensors"
    assert {setting(call, "--teacher") for call in (drawn, inverted, student)} == {"out/teacher/last.safetensors"}
    assert ["--invert" in call for call in (drawn, inverted)] == [False, True]
    assert student[1:4] == ["out/views", setting(drawn, "--out"), setting(inverted, "--out")]
    for told in ("21.5 dB", "42.3 dB", "out/teacher/sheets/0000100.png", "out/student/sheets/0000100.png"):
        assert told in done.stdout
    # what others began from is left as it is
    assert stages(script("tiny.sh", "out")[1]) == ["objects", "objects", "collect", "collect", "train", "generate"]


@needs_train
def test_tiny_in_another_size(script):
    done, calls = script("tiny.sh", DD3G_SCALE="0.1")
    assert done.returncode == 0, done.stderr
    assert [setting(calls[i], "--procedural") for i in (0, 1)] == ["6", "2"]
    assert script("tiny.sh", DD3G_SCALE="a tenth")[0].returncode == 2


@needs_train
def test_joint(script, tmp_path):
    """Both arms of every seed differ in nothing but verification; what compares them wants real students, and says so."""
    (tmp_path / "tiny").mkdir()
    _, calls = script("joint.sh", "tiny", "out", SEEDS="4 5", STEPS="7")
    assert stages(calls) == ["train"] * 4
    for call in calls:
        refuse_unknown(call)
    for explicit, joint in (calls[:2], calls[2:]):
        assert set(joint) - set(explicit) == {"loss.implicit.balance=0.1", setting(joint, "--out")}
    assert [setting(call, "--seed") for call in calls] == ["4", "4", "5", "5"]


@pytest.mark.slow  # nine commands that each import torch, four of them diffusers; .ci/run runs the story by itself
@needs_train
def test_tiny_really_runs(tmp_path):
    """The whole factory, at the least size that has all its parts."""
    environment = {**os.environ, "PYTHON": sys.executable, "DD3G_SCALE": "0.01"}
    done = subprocess.run([RUNS / "tiny.sh", tmp_path / "out"], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    splat = load(tmp_path / "out" / "splats" / "000.ply")
    assert len(splat) > 1000
    assert re.search(r"unseen object: \d+\.\d+ dB\nTrue views to noise and back along the teacher's ODE: \d+\.\d dB", done.stdout)


@pytest.mark.parametrize("init", [(), ("--init", "bundled")])
def test_small(script, init):
    done, calls = script("small.sh", *init, "--no-third-party", "--threads", "2", "views", "more", "views-dev", "out")
    assert done.returncode == 0, done.stderr
    assert [call[0] for call in calls] == ["teach", "train"]
    for call in calls:
        refuse_unknown(call)
    assert calls[-1][1:3] == ["views", "more"]
    assert "done" in done.stdout
    assert setting(calls[-1], "--init") == "out/encoder/last.safetensors"
    assert ("--init" in calls[0]) == bool(init)
    assert [call[0] for call in script("small.sh", *init, "--no-third-party", "views", "views-dev", "out")[1]] == ["train"]


def test_small_without_the_encoder_in_half_precision(script):
    done, calls = script("small.sh", "--no-encoder", "--half", "--init", "bundled", "--no-third-party", "views", "views-dev", "out")
    assert done.returncode == 0, done.stderr
    assert [call[0] for call in calls] == ["train"]
    refuse_unknown(calls[0])
    assert setting(calls[0], "--init") == "bundled"
    assert setting(calls[0], "fit.precision") == "bfloat16"


def test_pack(script):
    done, calls = script("gpu/pack.sh", "views/", "views-dev")
    assert done.returncode == 0, done.stderr
    for call in calls:
        refuse_unknown(call)
    assert [setting(call, "--out") for call in calls] == ["out/packs/views-q75.dd3g", "out/packs/views-dev-q75.dd3g"]
    done, calls = script("gpu/pack.sh", "views", "--limit", "0.000001")
    assert calls == []  # they are there
    assert done.returncode == 2
    assert "expected at most" in done.stderr


def test_slice(script, tmp_path):
    arguments = ("--dev", "dev.dd3g", "--out", "out", "--no-third-party", "made.dd3g", "real.dd3g")
    done, calls = script("gpu/slice.sh", *arguments, "--seconds", "300")
    assert done.returncode == 0, done.stderr
    for call in calls:
        refuse_unknown(call)
    encoder, first, second = calls
    assert float(setting(encoder, "--max-minutes")) == pytest.approx(0.95)
    assert setting(first, "fit.lr") == setting(first, "fit.lr_final") == "8e-4"
    assert "--graphs" in first
    assert "--graphs" in second
    left_s = float(setting(second, "--max-minutes")) * 60
    assert 230 <= left_s <= 258  # 300 less what is reserved
    assert int(setting(second, "--steps")) == int(8.5 * left_s * 0.92)
    assert setting(second, "--export") == "out/student"
    assert {path.name for path in (tmp_path / "out" / "logs").iterdir()} == LOGS
    again = script("gpu/slice.sh", *arguments, "--seconds", "100")[1]
    assert [setting(call, "--out") for call in again] == ["out/work/b"]
    assert setting(again[0], "--steps") == setting(second, "--steps")


def test_slice_goes_on_from_a_model(script):
    done, calls = script(
        "gpu/slice.sh", "--init", "last.safetensors", "--dev", "dev", "--out", "out", "--no-third-party", "views", DEVICE="cpu"
    )
    assert done.returncode == 0, done.stderr
    assert [call[0] for call in calls] == ["teach", "train", "train"]
    assert setting(calls[0], "--init") == "last.safetensors"
    assert setting(calls[1], "--init") == "out/work/encoder/last.safetensors"
    assert not any("--graphs" in call for call in calls)
    _, calls = script("gpu/slice.sh", "--init", "m", "--no-encoder", "--dev", "dev", "--out", "other", "--no-third-party", "views")
    assert [call[0] for call in calls] == ["train", "train"]
    assert setting(calls[0], "--init") == "m"


def test_slice_does_without_graphs_that_fail(script):
    done, calls = script("gpu/slice.sh", "--dev", "dev", "--out", "out", "--no-third-party", "views", GRAPHS_FAIL="yes")
    assert done.returncode == 0, done.stderr
    assert ["--graphs" in call for call in calls] == [False, True, False, False]


def test_teacher(script, tmp_path):
    arguments = ("--dev", "dev.dd3g", "--out", "out", "--no-third-party", "made.dd3g", "real.dd3g")
    done, calls = script("gpu/teacher.sh", *arguments, "--seconds", "300", "--codec-seconds", "100")
    assert done.returncode == 0, done.stderr
    for call in calls:
        refuse_unknown(call)
    assert [call[:3] for call in calls] == [
        ["teach", "codec", "dev.dd3g"],  # measures
        ["teach", "codec", "made.dd3g"],
        ["teach", "unet", "dev.dd3g"],
        ["teach", "unet", "made.dd3g"],
    ]
    steps = [int(setting(calls[k], "--steps")) for k in (1, 3)]
    assert int(8.5 * 88 * 0.95) <= steps[0] <= int(8.5 * 92 * 0.95)  # 100 s less 8 for what it does beside its steps
    assert int(8.5 * 230 * 0.95) <= steps[1] <= int(8.5 * 240 * 0.95)  # the stand-in's codec took no time
    assert setting(calls[3], "--codec") == "out/codec.safetensors"
    assert (tmp_path / "out" / "teacher.safetensors").exists()
    again = script("gpu/teacher.sh", *arguments, "--seconds", "300")[1]
    assert [setting(call, "--steps") for call in again] == [str(n) for n in steps]


def test_teacher_goes_on_from_a_teacher(script):
    done, calls = script("gpu/teacher.sh", "--init", "t.safetensors", "--dev", "dev", "--out", "out", "--no-third-party", "views")
    assert done.returncode == 0, done.stderr
    assert [call[1] for call in calls] == ["unet", "unet"]
    assert {setting(call, "--init") for call in calls} == {"t.safetensors"}


def test_teacher_does_without_graphs_that_fail(script):
    arguments = ("--codec", "c.safetensors", "--dev", "dev", "--out", "out", "--no-third-party", "views")
    done, calls = script("gpu/teacher.sh", *arguments, GRAPHS_FAIL="yes")
    assert done.returncode == 0, done.stderr
    assert ["--graphs" in call for call in calls] == [True, False, False]  # measured with, measured without, trained
    assert not any("--graphs" in call for call in script("gpu/teacher.sh", *arguments)[1])  # resumed as it began
    _, calls = script("gpu/teacher.sh", *arguments[:-3], "other", *arguments[-2:])
    assert ["--graphs" in call for call in calls] == [True, True]
    _, calls = script("gpu/teacher.sh", *arguments[:-3], "third", *arguments[-2:], GRAPHS="no")
    assert not any("--graphs" in call for call in calls)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("gpu/teacher.sh", "views"), "--dev: is missing"),
        (("gpu/teacher.sh", "--codec", "c", "--init", "t", "--dev", "d", "--out", "o", "views"), "give one of the two"),
        (("tiny.sh", "--fast"), "found '--fast'"),
        (("small.sh", "views", "out"), "found 2 names"),
        (("small.sh", "--steps", "many"), "--steps: found 'many'"),
        (("small.sh", "--init"), "--init: expected a value"),
        (("small.sh", "--threads", "1.5"), "--threads: found '1.5'"),
        (("small.sh", "views", "views-dev", "out"), "weights 'lpips-squeeze-backbone' are not here"),
        (("gpu/pack.sh",), "found no folders"),
        (("gpu/pack.sh", "nowhere"), "nowhere: no such folder"),
        (("gpu/slice.sh", "views"), "--dev: is missing"),
        (("gpu/slice.sh", "--dev", "d", "--out", "o", "--no-third-party", "--no-encoder", "v"), "--no-encoder: wants --init"),
        (("small.sh", "--no-third-party", "--no-encoder", "views", "views-dev", "out"), "--no-encoder: wants --init"),
        (("gpu/slice.sh", "--dev", "d", "--out", "o", "--no-third-party", "--seconds", "9", "v"), "s are left for part B"),
    ],
)
def test_wrong_words_are_one_sentence(script, arguments, found):
    done, _ = script(*arguments)
    assert done.returncode == 2
    assert found in done.stderr
    assert done.stderr.count("\n") == 1

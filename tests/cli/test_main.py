"""The front of the command line: help at once, wrong words in one sentence, and the exit statuses."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dd3g.cli import generate
from dd3g.cli.main import COMMANDS, parser_of
from dd3g.version import VERSION

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "numba", "numpy", "PIL", "av", "trimesh")


def test_help_lists_every_command(dd3g):
    for arguments in ((), ("--help",)):
        shown = dd3g(*arguments)
        assert shown.status == 0
        assert all(re.search(rf"^  {name} +\w", shown.out, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(dd3g, command):
    shown = dd3g(command, "--help")
    assert shown.status == 0
    assert shown.out.count(f"dd3g {command}") > 1  # beside the usage


def test_version(dd3g):
    assert dd3g("--version").out == f"dd3g {VERSION}\n"


def test_no_help_imports_anything_heavy():
    code = f"""if True:
        import sys
        from dd3g.cli.main import main
        for arguments in {[["--help"], *([name, "--help"] for name in COMMANDS)]}:
            try:
                main(arguments)
            except SystemExit as exit_:
                assert not exit_.code
        print("loaded:", set({HEAVY}) & set(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("loaded: set()\n")


def test_help_takes_well_under_half_a_second_of_processor_time():
    resource = pytest.importorskip("resource", reason="processor time of another process is asked for as Unix does")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "dd3g.cli.main", "--help"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["generat"], "invalid choice: 'generat'"),
        (["--quiet", "generate"], "--quiet"),
        (["--", "generate"], "the command comes first"),
        (["generate"], "required: IMG, --out"),
        (["generate", "a.png", "--out", "o", "--orient", "down"], "invalid choice: 'down'"),
        (["generate", "a.png", "--out", "o", "--elevation", "high"], "invalid float value: 'high'"),
        (["teach", "encoder", "v"], "required: --out"),
    ],
)
def test_wrong_words_are_one_sentence_that_names_the_help(dd3g, arguments, words):
    done = dd3g(*arguments)
    assert done.status == 2
    assert words in done.err
    assert re.fullmatch(r"dd3g.*: .*`dd3g.* --help` tells more\n", done.err)


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "nowhere", "--out"],
        ["teach", "encoder", "nowhere", "--out"],
        ["evaluate", "--objects", "nowhere", "--out"],
        ["objects", "nowhere", "--out"],
    ],
)
def test_missing_folders_are_one_sentence_and_nothing_is_made(dd3g, tmp_path, monkeypatch, model, arguments):
    monkeypatch.chdir(tmp_path)
    more = {"train": ["--perceptual", "none"], "teach": ["--set", "loss.semantics=0"], "evaluate": ["--model", model]}
    done = dd3g(*arguments, tmp_path / "out", *more.get(arguments[0], []))
    assert done.status == 2
    assert re.fullmatch(rf"dd3g {arguments[0]}: nowhere: no such folder; .+\n", done.err)
    assert not (tmp_path / "out").exists()


def test_an_interrupt_is_status_130_without_a_traceback(dd3g, monkeypatch):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "run", interrupted)
    done = dd3g("generate", "a.png", "--out", "o")
    assert done.status == 130
    assert "stopped" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("page", ["README.md", *(f"src/{module.replace('.', '/')}.py" for _, module in COMMANDS.values())])
def test_commands_in_texts_are_ones_that_the_parsers_take(page):
    """Options that were renamed or never made; "..." stands for what a reader fills in."""
    found = re.findall(r"(?:^ *|`)dd3g ([a-z-]+ [^`\n]+)", (ROOT / page).read_text(), re.MULTILINE)
    commands = [re.split(r"  +|#|then:", line)[0].split() for line in found if "..." not in line]
    assert commands
    for name, *arguments in commands:
        parser_of(name).parse_args(arguments)

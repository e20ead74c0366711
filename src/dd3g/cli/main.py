"""Dispatch: `dd3g COMMAND ...`. Nothing heavy is imported before a command is known, so that `--help` answers at once."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

# name -> (what it does, module with add_arguments(parser) and run(args) -> exit status)
COMMANDS = {
    "generate": ("turn pictures into 3D Gaussian splats", "dd3g.cli.generate"),
    "objects": ("render meshes, or procedural objects, to ground-truth views", "dd3g.cli.objects"),
    "archive": ("pack views into one small file, to train elsewhere", "dd3g.cli.archive"),
    "teach": ("train the networks around the student", "dd3g.cli.teach"),
    "collect": ("draw quadruples from a teacher, or invert real views to them", "dd3g.cli.collect"),
    "train": ("train the student on views", "dd3g.cli.train"),
    "runs": ("list and compare trainings", "dd3g.cli.runs"),
    "evaluate": ("score a model on objects with known views", "dd3g.cli.evaluate"),
    "download": ("fetch third-party weights: metrics' networks and others, checked by SHA-256", "dd3g.cli.download"),
    "experiment": ("put one of the paper's questions to students, with intervals and a report", "dd3g.cli.experiment"),
    "bench": ("time a student or a teacher, stage by stage", "dd3g.cli.bench"),
    "inspect": ("say what a model, run or folder is, and whether it can be used", "dd3g.cli.inspect"),
    "convert-teacher": ("rewrite ImageDream's weights in a folder of our own", "dd3g.cli.convert_teacher"),
}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, as everything here does, without the usage above it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; `{self.prog} --help` tells more\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status: 0 done, 2 a wrong input (said in one sentence), 130 stopped by the user."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _front()
    if not arguments:
        parser.print_help()
        return 0
    if arguments[0] not in COMMANDS:
        parser.parse_args(arguments)  # --help, --version, or a name that is not known
        parser.error("the command comes first")
    name = arguments[0]
    module = importlib.import_module(COMMANDS[name][1])
    options = parser_of(name).parse_args(arguments[1:])

    from dd3g.core.errors import DD3GError

    try:
        if getattr(options, "launcher", "none") == "ray":
            from dd3g.cli.ray_launcher import launch

            return launch(arguments, options.ranks, options.device)
        return module.run(options)
    except DD3GError as error:
        print(f"dd3g {name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ndd3g {name}: stopped; the same command goes on where it can", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of one command's arguments."""
    what, module_name = COMMANDS[name]
    module = importlib.import_module(module_name)
    parser = _Parser(prog=f"dd3g {name}", description=module.__doc__ or what, formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    return parser


def _front() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listing = "\n".join(f"  {name.ljust(width)}  {what}" for name, (what, _) in COMMANDS.items())
    parser = _Parser(
        prog="dd3g",
        usage="dd3g COMMAND [options]",
        description="One picture in, a 3D Gaussian splat out.",
        epilog=f"commands:\n{listing}\n\n`dd3g COMMAND --help` tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=list(COMMANDS), metavar="COMMAND", help="one of the commands below")
    from dd3g.version import VERSION

    parser.add_argument("--version", action="version", version=f"dd3g {VERSION}")
    return parser


if __name__ == "__main__":
    sys.exit(main())

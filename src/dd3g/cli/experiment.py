"""Put one of the paper's questions to students trained for it: arms that differ in one thing, several seeds, a report with the answer.

dd3g experiment --list
dd3g experiment noise --scale tiny --out out/experiments
dd3g experiment order --scale small --seeds 3 --out out/experiments       two minutes a student; safe to kill, the same command goes on
dd3g experiment all --scale tiny --out out/experiments
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="which; `all` for every one; --list names them")
    parser.add_argument("--scale", choices=("tiny", "small"), default="tiny", help="tiny: does it run; small: figures (default: tiny)")
    parser.add_argument("--seeds", type=int, metavar="N", help="students of each arm (default: 1 at tiny, 3 at small)")
    parser.add_argument("--steps", type=int, metavar="N", help="of each training (default: 4 at tiny, 900 at small); another folder then")
    parser.add_argument("--out", default="out/experiments", metavar="DIR", help="folder of all experiments (default: out/experiments)")
    parser.add_argument(
        "--teacher",
        metavar="CKPT",
        help="a trained teacher of 64 px in the place of the exact one, for example examples/weights/tiny-teacher.safetensors",
    )
    parser.add_argument("--guidance", type=float, metavar="W", help="of its draws (default: 3)")
    parser.add_argument("--findings", metavar="FILE", help="also write the page of all findings under DIR, and keep its comments")
    parser.add_argument("--list", action="store_true", help="name the experiments and stop")
    parser.add_argument("--json", action="store_true", help="print results.json")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Runs, prints what was found, and returns the exit status."""
    import json

    from dd3g.core.errors import InputError
    from dd3g.evaluate.experiments import EXPERIMENTS, ExperimentOptions, experiment_of, run_experiment, tiny, write_findings

    if options.list:
        named = {name: experiment_of(name, tiny()) for name in EXPERIMENTS}
        if options.json:
            print(
                json.dumps({name: {"title": e.title, "question": e.question, "arms": list(e.arms)} for name, e in named.items()}, indent=2)
            )
        else:
            width = max(len(name) for name in named) + 2
            print("\n".join(f"{name.ljust(width)}{e.title}: {', '.join(e.arms)}" for name, e in named.items()))
        return 0
    if options.name is None and options.findings is None:
        raise InputError(f"NAME: none given; expected {', '.join(EXPERIMENTS)} or all; --list tells more")
    if options.guidance is not None and options.teacher is None:
        raise InputError(
            "--guidance: says nothing beside the exact teacher, which draws its world as it is; leave it out, or give --teacher"
        )
    wanted = ExperimentOptions(
        options.scale, options.seeds, options.teacher, 3.0 if options.guidance is None else options.guidance, options.steps, options.quiet
    )
    names = () if options.name is None else EXPERIMENTS if options.name == "all" else (options.name,)
    found = {}
    for name in names:
        found[name] = run_experiment(name, wanted, options.out)
        if not options.json:
            print(f"{name}: {found[name]['title']}")
            print("\n".join(f"  {finding['sentence']}" for finding in found[name]["findings"]))
            print(f"  {options.out}/{name}/report.html")
    if options.findings is not None:
        write_findings(options.out, options.findings)
        if not options.json:
            print(options.findings)
    if options.json:
        print(json.dumps(found.get(options.name, found), indent=2))
    return 0

"""Time and memory of reading and converting a checkpoint of ImageDream's size: 8 GB in float32, made of zeros, in a folder of its own.

    python benchmarks/imagedream_reader.py [--folder /tmp] [--no-towers]

Each step runs in a process of its own. "private" is the most memory that was the process's own (anonymous), sampled every 5 ms; "with
mapped pages" is the peak of its resident set, to which the mapped file's pages count although the system may take them back at any time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch

STEPS = ("inspect", "open", "read", "read fp16", "fill the U-Net", "convert fp16", "read converted")


def write(path: Path, towers: bool) -> None:
    """The flat file, by the package's own rules."""
    from dd3g.teacher.imagedream.layouts import PARTS, PREFIXES, rows_of
    from dd3g.teacher.imagedream.sizes import PUBLISHED

    parts = PARTS if towers else PARTS[:2]
    torch.save({PREFIXES[part] + row.source: torch.zeros(row.shape) for part in parts for row in rows_of(part, PUBLISHED)}, path)


def step(name: str, file: Path) -> None:
    """One of STEPS."""
    from dd3g.teacher.imagedream.find import find
    from dd3g.teacher.imagedream.read import read_checkpoint
    from dd3g.teacher.imagedream.write import write_converted

    converted = file.parent / "converted"
    dtype = torch.float16 if "fp16" in name else None
    if name == "inspect":
        assert not find(file).faults
        return
    checkpoint = read_checkpoint(converted if name == "read converted" else file, dtype=dtype)
    if name.startswith("read"):
        kept = [dict(part.items()) for part in checkpoint.parts.values()]
        assert sum(map(len, kept)) == sum(map(len, checkpoint.parts.values()))
    elif name == "fill the U-Net":
        from dd3g.teacher.imagedream.network import ImageDreamConfig, imagedream_unet

        with torch.device("meta"):
            unet = imagedream_unet(ImageDreamConfig())
        unet.load_state_dict(checkpoint.parts["unet"], strict=True, assign=True)
        assert not any(p.is_meta for p in unet.parameters())
    elif name == "convert fp16":
        write_converted(checkpoint, converted)


def measured(name: str, file: Path) -> str:
    """Runs a step here, and says what it took."""
    peak, done = [0], threading.Event()

    def kilobytes(field: str) -> int:
        fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(fields[field].split()[0])

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], kilobytes("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    begin, spent = time.perf_counter(), time.process_time()
    step(name, file)
    wall, spent = time.perf_counter() - begin, time.process_time() - spent
    done.set()
    watcher.join()
    memory = f"private {peak[0] / 1e6:5.2f} GB, with mapped pages {kilobytes('VmHWM') / 1e6:5.2f} GB"
    return f"{name:<16} {wall:6.1f} s, {spent:6.1f} s of processor time; {memory}"


def main() -> None:
    """Makes the file, runs the steps and removes everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--no-towers", action="store_true")
    parser.add_argument("--step", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(measured(options.step[0], Path(options.step[1])), flush=True)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        file = Path(folder) / "full.pt"
        write(file, not options.no_towers)
        print(f"{file.stat().st_size / 1e9:.2f} GB, {torch.get_num_threads()} threads", flush=True)
        for name in STEPS:
            subprocess.run([sys.executable, __file__, "--step", name, str(file)], check=True)


if __name__ == "__main__":
    main()

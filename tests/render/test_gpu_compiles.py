"""The GPU backend's kernels compile for an NVIDIA H100 on any Linux machine: the interpreter would let pass what the compiler does not."""

from __future__ import annotations

import ast
import os
import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from dd3g.render import gpu

# In a process of its own: in this one Triton is set to interpret.
_COMPILE = """
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from dd3g.render.constants import *
from dd3g.render.gpu import autograd, binning, composite, project

CONSTANTS = {**autograd._PROJECTION, **autograd._COMPOSITING, "FLOOR": COMPENSATION_FLOOR, "BOX": project.BOX, "WIDTH": 16, "BLOCK": 64}
POINTERS = dict.fromkeys(["boxes", "counts", "owners"], "*i32") | dict.fromkeys(["splat_starts", "tile_starts", "slots", "keys"], "*i64")
NUMBERS = {"n", "views", "width", "height", "rows", "columns", "count"}

def compile(kernel, warps, ones=(), **constants):
    constants = {**CONSTANTS, **constants, **dict.fromkeys(ones, 1)}  # a size of 1 is compiled as such
    given = {name: constants[name] for name in kernel.arg_names if name in constants}
    kinds = {name: "i32" if name in NUMBERS else POINTERS.get(name, "*fp32") for name in kernel.arg_names}
    source = ASTSource(kernel, kinds | dict.fromkeys(given, "constexpr"), given)
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps, "enable_fp_fusion": True})
    assert made.asm["cubin"]

for antialiased in (False, True):
    compile(project.project_forward, 4, ANTIALIASED=antialiased, BLOCK=128)
    compile(project.project_backward, 4, ANTIALIASED=antialiased, BLOCK=128)
compile(project.project_backward, 4, ("views", "width", "height"), ANTIALIASED=True, BLOCK=128)
compile(binning.list_pairs, 1, BLOCK=binning._BLOCK)
compile(composite.composite_forward, 1)
compile(composite.composite_forward, 1, ("rows", "columns", "width"))
compile(composite.composite_backward, 1)
compile(composite.add_up, 4, BLOCK=autograd._SPLATS_A_PROGRAM)
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.skipif(platform.system() != "Linux" or platform.machine() != "x86_64", reason="Triton brings its assembler there alone")
def test_every_kernel_compiles_for_an_h100(tmp_path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"} | {"TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", _COMPILE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("name", ["binning", "composite", "project"])
def test_no_kernel_assigns_to_a_tuple_within_a_tuple(name) -> None:
    """Triton 3.6, which torch 2.11 brings, refuses it; newer ones, which the test above compiles with, don't."""
    tree = ast.parse((Path(gpu.__file__).parent / f"{name}.py").read_text())
    targets = [
        target for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets if isinstance(target, ast.Tuple)
    ]
    assert targets
    nested = [ast.unparse(target) for target in targets if any(isinstance(part, ast.Tuple) for part in target.elts)]
    assert nested == []

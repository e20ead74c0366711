"""Scripts that stand outside the package, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def script_fixture(path: str):
    """A fixture that is the module in the file ``path`` of the repository, loaded once for a file of tests and forgotten after it."""

    @pytest.fixture(scope="module")
    def loaded():
        spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
            spec.loader.exec_module(module)
            yield module

    return loaded

"""Shared by all tests: one thread a process unless a test says otherwise, and no user's cache is touched."""

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # Triton reads it when it is imported, which diffusers and torch's counters do as well


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    torch.set_num_threads(1)

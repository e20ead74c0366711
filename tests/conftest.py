"""Shared by all tests: one thread a process unless a test says otherwise, and no user's cache is touched."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    torch.set_num_threads(1)

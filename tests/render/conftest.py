"""Compiled kernels are kept beside pytest's own cache, so that only the first run of the tests compiles them."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _kernels_beside_pytest(request):
    if "NUMBA_CACHE_DIR" not in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = str(request.config.cache.mkdir("kernels"))

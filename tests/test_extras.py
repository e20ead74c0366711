"""Skipping for want of the extra `train` must not hide a gap where it ought to be installed."""

from importlib.util import find_spec

import pytest

from tests.extras import MISSING


@pytest.mark.skipif(find_spec("importlinter") is None, reason="the extra 'dev', which brings 'train', is not installed")
def test_nothing_is_skipped_for_want_of_train_where_dev_is_installed():
    assert MISSING == []

"""What is measured of a machine."""

import torch

from dd3g.core.machine import free_memory, machine_name, matmul_rate


def test_a_rate_is_that_of_products_and_not_of_launching_them():
    """A product of 1024 takes milliseconds at any rate below; one that was only launched would be thousands of times too fast."""
    rate = matmul_rate("cpu", torch.float32)
    assert 1e8 < rate < 1e13


def test_memory_and_name_of_the_machine():
    assert 2**20 < free_memory("cpu") < 2**50
    assert machine_name("cpu").strip()

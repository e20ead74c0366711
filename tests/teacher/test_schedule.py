"""The forward process (E1) and the sampler's times: checks 1 and 2."""

import pytest
import torch

from dd3g.core.errors import InputError
from dd3g.teacher import ddim_times, scaled_linear

SCHEDULE = scaled_linear()


def test_alphas_are_stable_diffusions():  # check 1
    for t, wanted in {0: 0.99915, 20: 0.981314, 300: 0.590501, 981: 0.005776, 999: 0.004660}.items():
        assert SCHEDULE.alphas_bar[t].item() == pytest.approx(wanted, abs=1e-6)


def test_fifty_steps_visit_981_down_to_1():  # check 2
    assert ddim_times(SCHEDULE, 50) == tuple(range(981, 0, -20))
    for steps in (1, 3, 7, 300, 999):
        times = ddim_times(SCHEDULE, steps)
        assert len(times) == steps
        assert times[-1] == 1
        assert max(times) < 1000


@pytest.mark.parametrize("steps", [0, -3, 1000])
def test_steps_that_the_schedule_does_not_have_are_refused(steps):
    with pytest.raises(InputError, match=f"steps: found {steps}, expected 1 to 999"):
        ddim_times(SCHEDULE, steps)


def test_variance_is_kept():
    """Unit-variance latents stay so at every time, and one time for all equals a time for each."""
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 4, 20_000, dtype=torch.float64, generator=generator)
    for t in (0, 300, 999):
        diffused = SCHEDULE.diffused(clean, noise, t)
        assert diffused.var().item() == pytest.approx(1, abs=0.03)  # 80,000 numbers: six standard errors
        each = SCHEDULE.diffused(clean, noise, torch.full((4,), t))
        torch.testing.assert_close(each, diffused)

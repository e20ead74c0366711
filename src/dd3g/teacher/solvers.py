"""Solvers of the teacher's ODE: DDIM, which defines a quadruple, and two that come to the same end in fewer calls of the network.

latents = ode_sample(epsilon, noise, schedule, 15, "unipc")     # about where 50 steps of DDIM arrive

``dpm++`` is DPM-Solver++ 2M (Lu et al. 2022), ``unipc`` UniPC of order 2 with B2 (Zhao et al. 2023): multistep, one call a step, nothing
drawn. The updates are diffusers'; where they ask and where they end is ours, since its own settings do neither as the teacher does:

- They begin where DDIM's 50 steps do, at 981 of 1000, however few they are. DDIM of 10 steps begins at 901, of 500 at 999: other maps.
- They end at time 0, abar 0.99915, as DDIM does; diffusers' default goes on to abar 1.
- They ask at integers, which is all that the network was trained on, and know kappa of exactly those; in float64, on the CPU.
- Steps are even in log-SNR, their own time: on normal data the orders are then 2 and 3 (with its corrector), with even times 1 to 1.6.
"""

from __future__ import annotations

from typing import Any, Literal, cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from dd3g.core.errors import InputError, require
from dd3g.teacher.ddim import Epsilon, ddim_sample
from dd3g.teacher.schedule import Schedule, ddim_times

Solver = Literal["ddim", "dpm++", "unipc"]
SOLVERS: tuple[Solver, ...] = get_args(Solver)
_FULL = 50  # steps of the paper's sampler: where they begin is where all solvers begin


def solver_times(schedule: Schedule, steps: int) -> tuple[int, ...]:
    """Times at which the multistep solvers ask the network, even in log-SNR as far as integers allow; the last step goes on to time 0.

    Raises:
        InputError: Fewer than one step, or more than there are times.
    """
    first = ddim_times(schedule, _FULL)[0]
    if not 1 <= steps <= first:
        raise InputError(f"steps: found {steps}, expected 1 to {first}")
    log_snr = (schedule.alphas_bar / (1 - schedule.alphas_bar)).log()  # falls with time
    wanted = torch.linspace(log_snr[first].item(), log_snr[0].item(), steps + 1, dtype=torch.float64)
    times = (log_snr - wanted[:, None]).abs().argmin(1).tolist()
    for k in reversed(range(steps)):  # near time 0 integers are farther apart than the steps: there, every one of them
        times[k] = max(times[k], times[k + 1] + 1)
    return tuple(times[:-1])


@torch.no_grad()
def ode_sample(
    epsilon: Epsilon, noise: Float[Tensor, "*shape"], schedule: Schedule, steps: int = _FULL, solver: Solver = "ddim"
) -> Float[Tensor, "*shape"]:
    """Follows the ODE from noise to latents of views (Phi of E6) with one of the solvers.

    Args:
        epsilon: The noise predictor, guided or not; asked ``steps`` times.
        noise: N, standard normal.
        schedule: Of the forward process.
        steps: Calls of ``epsilon``.
        solver: ``ddim`` of order 1; ``dpm++`` or ``unipc`` of order 2, in float32.

    Raises:
        InputError: Another solver, or a number of steps that the schedule does not have.
    """
    if solver not in SOLVERS:
        raise InputError(f"solver: found {solver!r}, expected one of {', '.join(SOLVERS)}")
    if solver == "ddim":
        return ddim_sample(epsilon, noise, schedule, steps)
    times = solver_times(schedule, steps)
    stepper = _stepper(schedule, times, solver)
    z = noise
    for t in times:
        z = cast(Tensor, stepper.step(epsilon(z, t), t, z, return_dict=False)[0])
    return z


def _stepper(schedule: Schedule, times: tuple[int, ...], solver: Solver) -> Any:
    """diffusers' scheduler, set to our times. One a sampling: it remembers predictions."""
    require("diffusers", "train")
    from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

    kind = DPMSolverMultistepScheduler if solver == "dpm++" else UniPCMultistepScheduler
    # not "zero": its last step would end at abar 1
    made: Any = kind(num_train_timesteps=len(schedule), prediction_type="epsilon", solver_order=2, final_sigmas_type="sigma_min")
    # what its set_timesteps sets, to values that it does not offer
    made.num_inference_steps, made.timesteps = len(times), torch.tensor(times)
    made.sigmas = torch.tensor([schedule.kappa(t) for t in (*times, 0)], dtype=torch.float64)  # its sigma is our kappa (E5)
    made.set_begin_index(0)
    return made

"""`dd3g bench`: what is counted and timed adds up, what is planned follows from it, and what does not fit is refused."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from dd3g.cli.main import main
from dd3g.core.errors import InputError
from dd3g.evaluate import bench_teacher
from dd3g.evaluate.bench import FORMAT, run_passes
from dd3g.evaluate.bench_plan import bytes_of_one, plan_collection
from dd3g.evaluate.bench_student import CA, EXTRACTION, MU, SQ, TOKENS_IN, bar_of, bench_student
from dd3g.evaluate.flops import counting, flops_of
from dd3g.student import PEPD
from dd3g.student.config import PlainDecodingConfig
from dd3g.student.presets import paper, tiny
from tests.extras import needs_train
from tests.student.test_given_tokens import SIBLING, TOKENS

CPU = torch.device("cpu")
ONCE = {"device": CPU, "dtype": torch.float32, "repeats": 1}


def test_a_linear_layer_is_2mnk_on_every_device():
    for device in ("cpu", "meta"):
        layer, rows = torch.nn.Linear(30, 50, device=device), torch.empty(7, 30, device=device)
        assert flops_of(lambda layer=layer, rows=rows: layer(rows)) == 2 * 7 * 30 * 50


def test_a_convolution_and_attention_are_counted_as_their_products_on_every_device():
    """The CPU's fused attention is not in torch's own table."""
    for device in ("cpu", "meta"):
        picture, kernel = torch.zeros(1, 3, 8, 8, device=device), torch.zeros(5, 3, 3, 3, device=device)
        q, k = torch.zeros(1, 2, 64, 16, device=device), torch.zeros(1, 2, 9, 16, device=device)
        assert flops_of(lambda p=picture, w=kernel: F.conv2d(p, w, stride=2, padding=1)) == 2 * 5 * 16 * 3 * 9
        assert flops_of(lambda q=q, k=k: F.scaled_dot_product_attention(q, k, k)) == 2 * 2 * (2 * 64 * 9 * 16)


def test_stages_add_up_to_the_whole_and_are_the_same_arithmetic_at_once():
    torch.manual_seed(0)
    student = PEPD(tiny())
    found = bench_student(student, "tiny", **{**ONCE, "repeats": 3})
    bench = found.bench
    assert [stage.name for stage in bench.stages] == [
        "prepare image", "image encoder", "pattern extraction", "mu", "s, q", "c, alpha", "rasterize 4 views", "save PLY",
    ]  # fmt: skip
    assert sum(stage.gflop for stage in bench.stages) == pytest.approx(bench.whole.gflop, rel=1e-12)
    noise, image = torch.zeros(1, *student.config.noise_shape), torch.ones(1, 4, 256, 256)
    with torch.inference_mode(), counting() as so_far:
        student.decode(noise, torch.zeros(1, 4, 16), image, gaussians_per_token=128, both_ways=True)
        assert so_far() == round(bench.whole.gflop * 1e9)
    own = [stage for stage in bench.stages if stage.name in (EXTRACTION, MU, SQ, CA)]
    assert found.to_gaussians.gflop == pytest.approx(sum(stage.gflop for stage in own))
    assert min(stage.ms for stage in own) > 0
    for stage in bench.stages:
        assert stage.ms_low <= stage.ms <= stage.ms_high
        assert (stage.share is None) == (stage.gflop == 0)


def test_laps_leave_nothing_between_them():
    def run(lap):
        torch.mv(torch.ones(1, 10), torch.ones(10))
        lap("one")
        torch.mm(torch.ones(20, 10), torch.ones(10, 5))
        lap("two")
        lap("one")

    laps = run_passes(run, CPU, 2)
    assert laps.flop["two"] == 2 * 20 * 10 * 5
    assert all(list(seconds) == ["one", "two"] for seconds in laps.seconds)


def test_measuring_leaves_no_hooks_behind():
    student = PEPD(SIBLING)
    bench_student(student, "sibling", **ONCE)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in student.modules())


def test_a_tower_is_stated_apart_and_not_held_against_the_bar():
    shape = (1, TOKENS.count, TOKENS.given_width)
    student = PEPD(SIBLING)

    def tower(image):
        return (image.mean() * torch.ones(1, 1000) @ torch.ones(1000, shape[1] * shape[2])).reshape(shape)

    with_it, without = (bench_student(student, "sibling", **ONCE, tower=t) for t in (tower, None))
    counted = {stage.name: stage.gflop for stage in with_it.bench.stages}
    assert counted["image encoder"] * 1e9 == pytest.approx(2 * 1000 * shape[1] * shape[2])
    assert counted[TOKENS_IN] > 0
    assert with_it.to_gaussians.gflop == pytest.approx(without.to_gaussians.gflop)
    assert "image encoder not measured" in bar_of(without, 1e9)[1]
    assert bar_of(without, 1e9)[0]
    assert bar_of(with_it, 0.0)[1].startswith("FAIL")


def test_taps_in_another_order_have_no_such_stages():
    student = PEPD(replace(tiny(), decoding=PlainDecodingConfig(16, order=("ca", "mu", "sq"))))
    with pytest.raises(InputError, match="stages are the paper's"):
        bench_student(student, "other order", **ONCE)


@needs_train
def test_the_command_tells_students_teachers_and_plans_in_json(capsys, tmp_path):
    assert main(["bench", "--preset", "tiny", "--teacher", "tiny", "--repeats", "1", "--threads", "1", "--bar", "1e9", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["format"] == FORMAT
    student, teacher = record["benches"]
    assert student["bar"]["passed"]
    assert {"what", "parameters", "device", "dtype", "threads", "matmul_gflops", "peak_bytes", "stages", "whole", "about"} <= set(student)
    assert set(student["stages"][0]) == {"name", "ms", "ms_low", "ms_high", "processor_ms", "gflop", "share"}
    stages = {stage["name"]: stage for stage in teacher["stages"]}
    steps = 50 * stages["one guided step"]["gflop"]
    assert teacher["quadruple"]["tflop"] * 1e3 == pytest.approx(
        steps + stages["picture, once"]["gflop"] + stages["decode 4 views"]["gflop"]
    )

    rates = tmp_path / "rates.json"
    rates.write_text(json.dumps(record))
    assert main(["bench", "--plan", "1000", "--rates", str(rates), "--gpus", "4", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    seconds = (50 * stages["one guided step"]["ms"] + stages["picture, once"]["ms"]) / 1e3
    assert plan["gpu_hours"] == pytest.approx(1000 * seconds / 3600)
    assert plan["hours"] == pytest.approx(plan["gpu_hours"] / 4)
    assert main(["bench", "--preset", "tiny", "--repeats", "1", "--threads", "1", "--bar", "0"]) == 1


@needs_train
def test_bytes_of_a_quadruple_are_its_latents_and_little_more():
    shape = (4, 4, 32, 32)
    assert 2 * 4 * 4 * 32 * 32 < bytes_of_one(shape) < 2 * 4 * 4 * 32 * 32 + 500


def test_wrong_inputs_are_refused_in_one_sentence(capsys, tmp_path):
    empty = tmp_path / "rates.json"
    empty.write_text('{"benches": []}')
    for arguments, said in (
        (["--plan", "5"], "give both"),
        (["--plan", "5", "--rates", str(empty)], "holds students alone"),
        (["--plan", "5", "--rates", str(tmp_path / "none.json")], "no figures of"),
        (["--preset", "huge"], "--preset huge: unknown"),
        (["--teacher", "tiny", "--dtype", "fp16"], "teachers draw in fp32 or bf16, found float16"),
        (["--repeats", "0"], "--repeats 0"),
        (["--teacher", "tiny", "--bar", "20"], "--bar: is of a student's time"),
    ):
        assert main(["bench", *arguments]) == 2
        assert said in capsys.readouterr().err
    with pytest.raises(InputError, match="hold no teacher's stages"):
        plan_collection({"stages": []}, 5)


@needs_train
def test_a_teacher_that_does_not_fit_is_skipped_and_says_what_it_needs(capsys, monkeypatch):
    monkeypatch.setattr(bench_teacher, "free_memory", lambda _: 10**9)
    assert main(["bench", "--teacher", "imagedream"]) == 2
    # 941,672,900 + 630,766,080 + 83,653,863 weights of 4 bytes, and 2 GB to work in
    assert "skipped: imagedream: needs 8.6 GB on cpu, found 1.0 GB free" in capsys.readouterr().err


@pytest.mark.slow
@needs_train
def test_a_call_of_imagedreams_network_is_counted_as_published():
    """1,090,956,451,840 FLOP for five frames: there tokens, keys and values are made for each frame, here once an object."""
    from dd3g.teacher.imagedream.network import ImageDreamConfig, ImageDreamNetwork
    from dd3g.teacher.multi_view import Condition, predict_views, steady

    config = ImageDreamConfig()
    with torch.device("meta"):
        network = ImageDreamNetwork(config)
        network.tell(torch.zeros(77, 1024), torch.zeros(77, 1024))
        condition = Condition(torch.zeros(1, 4, 32, 32), torch.zeros(1, 93, 1024))
        told = steady(network.unet, torch.zeros(1, 4, 16), condition)
        once = flops_of(lambda: steady(network.unet, torch.zeros(1, 4, 16), condition))
        once += flops_of(lambda: network._tokens(network.text, torch.zeros(1, 257, 1280)))
        step = flops_of(lambda: predict_views(network.unet, torch.zeros(1, 4, 4, 32, 32), torch.zeros(1), told))
    assert step + 5 * once == 1_090_956_451_840


def test_the_papers_size_counted_without_computing_it():
    """What docs/sizes.md says of `paper`; a pass on "meta" goes through the whole student."""
    config = paper()
    with torch.device("meta"):
        student = PEPD(config)
        noise, image, tokens = torch.zeros(1, *config.noise_shape), torch.zeros(1, 4, 256, 256), torch.zeros(1, 257, 1280)
        counted = flops_of(lambda: student.decode(noise, torch.zeros(1, 4, 16), image, image_tokens=tokens))
    assert counted / 1e9 == pytest.approx(258.281, abs=1e-3)

"""What is near ImageDream and is not it is refused with the reason, and so is what is nothing of the kind."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from dd3g.core.errors import CheckpointError
from dd3g.core.weights import bundled
from dd3g.teacher.imagedream.buffers import compare_schedule, schedule_tables
from dd3g.teacher.imagedream.layouts import PREFIXES
from dd3g.teacher.imagedream.read import read_checkpoint
from dd3g.teacher.imagedream.write import write_converted

from .synthetic import original, port

NET = PREFIXES["unet"]


def without_image_branch(tensors):
    for name in [name for name in tensors if "image_embed" in name or "_ip.weight" in name]:
        del tensors[name]
    for name in [name for name in tensors if name.startswith(PREFIXES["vae"])]:
        tensors[name.replace("vae_model.", "first_stage_model.")] = tensors.pop(name)


def mvdream_15(tensors):
    without_image_branch(tensors)
    for name in [name for name in tensors if name.endswith(("proj_in.weight", "proj_out.weight")) and name.startswith(NET)]:
        tensors[name] = tensors[name][:, :, None, None]


def eight_channels(tensors):
    tensors[NET + "input_blocks.0.0.weight"] = torch.zeros(32, 8, 3, 3)


def without_cameras(tensors):
    for name in [name for name in tensors if "camera_embed" in name]:
        del tensors[name]


def without_image_or_cameras(tensors):
    without_image_branch(tensors)
    without_cameras(tensors)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (without_image_branch, r"MVDream \(sd-v2\.1-base-4view\): it draws from text and can't see a picture"),
        (mvdream_15, r"MVDream \(sd-v1\.5-4view\): it draws from text"),
        (eight_channels, "8 channels: the second stage of CRM"),
        (without_cameras, "takes no cameras: Stable Diffusion"),
        (without_image_or_cameras, "takes no cameras: Stable Diffusion"),
    ],
)
def test_siblings_are_named(tmp_path, edit, words):
    with pytest.raises(CheckpointError, match=rf"not ImageDream's: .*{words}.*; give"):
        read_checkpoint(original(tmp_path / "sibling.pt", towers=False, edit=edit))


def test_what_lies_below_state_dict_is_recognised_too(tmp_path):
    whole = torch.load(original(tmp_path / "flat.pt", towers=False, edit=without_cameras), weights_only=True)
    torch.save({"state_dict": whole}, tmp_path / "sd.ckpt")
    with pytest.raises(CheckpointError, match="Stable Diffusion"):
        read_checkpoint(tmp_path / "sd.ckpt")


@pytest.mark.parametrize(
    ("place", "values", "words"),
    [
        ("unet/config.json", {"_class_name": "MultiViewUNetModel", "camera_dim": 16}, "no ip_dim: MVDream's port"),
        ("unet/config.json", {"_class_name": "MultiViewUNetModel", "ip_dim": 0}, "no ip_dim: MVDream's port"),
        ("unet/config.json", {"_class_name": "UNet2DConditionModel"}, "a stock one, without ImageDream's image branch"),
        ("model_index.json", {"image_encoder": [None, None]}, "no image encoder: MVDream's port"),
        (
            "scheduler/scheduler_config.json",
            {"beta_start": 0.00085, "rescale_betas_zero_snr": True},
            "another noise schedule .*rescale_betas",
        ),
    ],
)
def test_other_folders_of_diffusers_layout_are_named(tmp_path, place, values, words):
    folder = port(tmp_path / "port", towers=False)
    (folder / place).write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint(folder)


def test_the_port_of_mvdream_is_known_by_its_tensors_alone(tmp_path):
    def edit(tensors):
        for name in [name for name in tensors if "image_embed" in name or "_ip.weight" in name]:
            del tensors[name]

    with pytest.raises(CheckpointError, match="MVDream"):
        read_checkpoint(port(tmp_path / "port", towers=False, edit={"unet": edit}))


class _Dangerous:
    """What a pickle can do: make a file where its reader runs."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return open, (self.place, "w")


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


FILES = {
    "empty.pt": (lambda path: path.write_bytes(b""), "neither a safetensors nor a torch file"),
    "random.pt": (lambda path: path.write_bytes(bytes(range(256)) * 9), "neither a safetensors nor a torch file"),
    "cut.pt": (lambda path: cut(original(path, towers=False), 0.9), "cut off; fetch it again"),
    "cut.safetensors": (lambda path: [save_file({"a": torch.zeros(99)}, path), cut(path, 0.9)], "damaged or cut off"),
    "list.pt": (lambda path: torch.save([torch.zeros(2)], path), "holds a list; expected a dictionary"),
    "other.pt": (lambda path: torch.save({"weight": torch.zeros(2)}, path), "1 tensors, none of them of a U-Net"),
    "old.pt": (lambda path: torch.save({"w": torch.zeros(2)}, path, _use_new_zipfile_serialization=False), "none of them of a U-Net"),
    "other.safetensors": (lambda path: save_file({"weight": torch.zeros(2)}, path), "none of them of a U-Net"),
    "unet.safetensors": (lambda path: save_file({"conv_in.weight": torch.zeros(2)}, path), "a U-Net alone"),
    "port.safetensors": (lambda path: save_file({"input_blocks.0.0.weight": torch.zeros(2)}, path), "a U-Net alone"),
    "clip.safetensors": (lambda path: save_file({"visual.conv1.weight": torch.zeros(2)}, path), "OpenCLIP's towers alone"),
    "folder": (lambda path: path.mkdir(), "without teacher.json and without unet/"),
    "nowhere": (lambda path: None, "no such file or folder"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_checkpoint_is_said_in_one_sentence(tmp_path, name):
    make, words = FILES[name]
    make(tmp_path / name)
    with pytest.raises(CheckpointError, match=words) as caught:
        read_checkpoint(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name) + ": ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_byte_that_is_wrong_makes_one_sentence_and_no_traceback(tmp_path, suffix):
    file = tmp_path / f"x.{suffix}"
    save = torch.save if suffix == "pt" else save_file
    save({NET + "input_blocks.0.0.weight": torch.zeros(2, 4, 3, 3), "vae_model.quant_conv.bias": torch.zeros(2)}, file)
    whole = file.read_bytes()
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        with pytest.raises(CheckpointError) as caught:
            read_checkpoint(file)
        assert "\n" not in str(caught.value)


def test_our_own_models_are_told_apart():
    with pytest.raises(CheckpointError, match="a network of dd3g's own, not ImageDream"):
        read_checkpoint(bundled("codec"))


@pytest.mark.parametrize("old", [False, True])
def test_code_in_a_pickle_is_not_run(tmp_path, old):
    torch.save({"a": _Dangerous(tmp_path / "was-here")}, tmp_path / "bad.pt", _use_new_zipfile_serialization=not old)
    with pytest.raises(CheckpointError, match="holds more than tensors, or is damaged, and nothing of it was run"):
        read_checkpoint(tmp_path / "bad.pt")
    assert not (tmp_path / "was-here").exists()
    pickle.loads(pickle.dumps(_Dangerous(tmp_path / "was-here"))).close()
    assert (tmp_path / "was-here").exists()  # so the file would have been made


def test_a_folder_of_pickles_is_not_read(tmp_path):
    folder = port(tmp_path / "port", towers=False)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").rename(folder / "vae" / "diffusion_pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"vae: no \.safetensors file"):
        read_checkpoint(folder)


def test_more_than_tensors_beside_the_parts_is_named(tmp_path):
    def edit(tensors):
        tensors["model_ema.decay"] = torch.zeros(())
        tensors["global_step"] = 3

    with pytest.raises(CheckpointError, match=r"2 faults \(unexpected model_ema\.decay; unexpected global_step\)"):
        read_checkpoint(original(tmp_path / "more.pt", towers=False, edit=edit))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_file_s_own_schedule_is_compared(tmp_path, dtype):
    assert read_checkpoint(original(tmp_path / "same.pt", towers=False, dtype=dtype)).schedule == "equal"
    assert read_checkpoint(original(tmp_path / "none.pt", towers=False, dtype=dtype, schedule=False)).schedule == "absent"


def test_a_descendant_with_another_schedule_is_refused(tmp_path):
    """CRM's first stage has ImageDream's names and shapes, and a schedule that ends in pure noise."""

    def edit(tensors):
        bar = tensors["alphas_cumprod"].sqrt()
        tensors["alphas_cumprod"] = ((bar - bar[-1]) * bar[0] / (bar[0] - bar[-1])).square()

    with pytest.raises(CheckpointError, match=r"another noise schedule than ImageDream's \(alphas_cumprod\)"):
        read_checkpoint(original(tmp_path / "descendant.pt", towers=False, edit=edit))


def test_schedule_tables_are_the_published_ones():
    """Values of the specification, and the tables' own laws."""
    tables = schedule_tables()
    bar = tables["alphas_cumprod"]
    for t, value in {0: 0.99915, 500: 0.2763327, 981: 0.0057755, 999: 0.0046601}.items():
        assert bar[t].item() == pytest.approx(value, rel=1e-5)
    torch.testing.assert_close((1 - tables["betas"]).cumprod(0), bar, rtol=1e-9, atol=0)
    torch.testing.assert_close(tables["posterior_variance"][1:].log(), tables["posterior_log_variance_clipped"][1:], rtol=1e-9, atol=0)
    # the mean of q(z_{t-1} | z_t, z_0) at z_t = sqrt(abar_t) z_0 is sqrt(abar_{t-1}) z_0
    mean = tables["posterior_mean_coef1"] + tables["posterior_mean_coef2"] * bar.sqrt()
    torch.testing.assert_close(mean, tables["alphas_cumprod_prev"].sqrt(), rtol=1e-9, atol=0)
    assert all(table.shape == (1000,) for table in tables.values())
    assert len(tables) == 12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_change_in_any_table_is_seen(dtype):
    step = max(1e-4, 4 * torch.finfo(dtype).eps)
    for name, table in schedule_tables().items():
        told = {other: values.to(dtype) for other, values in schedule_tables().items()}
        assert compare_schedule(told, told.__getitem__) == (True, [])
        told[name] = torch.where(torch.arange(1000) == 500, table * (1 + step), table).to(dtype)
        assert compare_schedule(told, told.__getitem__) == (True, [name])


def test_the_variant_is_the_user_s_word_and_the_name_s_hint(tmp_path):
    local = original(tmp_path / "sd-v2.1-base-4view-ipmv-local.pt", towers=False)
    with pytest.raises(CheckpointError, match="says 'local', and 'pixel' was asked for"):
        read_checkpoint(local)
    assert read_checkpoint(local, variant="local").variant == "local"
    pixel = original(tmp_path / "sd-v2.1-base-4view-ipmv.pt", towers=False)
    with pytest.raises(CheckpointError, match="says 'pixel', and 'local' was asked for"):
        read_checkpoint(pixel, variant="local")
    anonymous = original(tmp_path / "weights.pt", towers=False)
    assert read_checkpoint(anonymous, variant="local").variant == "local"
    write_converted(read_checkpoint(anonymous, variant="local"), tmp_path / "converted")
    with pytest.raises(CheckpointError, match="it was converted as 'local'"):
        read_checkpoint(tmp_path / "converted")

"""The reader: three layouts of the same weights are the same tensors, at any size; whatever doesn't fit is refused with its name."""

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dd3g.core.errors import CheckpointError, InputError
from dd3g.teacher.imagedream.find import find, found_original
from dd3g.teacher.imagedream.layouts import PARTS, PORT_FOLDERS, rows_of
from dd3g.teacher.imagedream.read import joint_sha256, read_checkpoint
from dd3g.teacher.imagedream.sizes import PUBLISHED
from dd3g.teacher.imagedream.write import write_converted

from .synthetic import SMALL, drawn, hollow, hollow_port, original, port, port_file

NET = "model.diffusion_model."


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    return original(tmp_path_factory.mktemp("original") / "small.pt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return port(tmp_path_factory.mktemp("port") / "small")


@pytest.fixture(scope="module")
def converted(tmp_path_factory, flat):
    place = tmp_path_factory.mktemp("converted") / "small"
    write_converted(read_checkpoint(flat), place)
    return place


def same(one, other):
    """Whether two checkpoints hold the same bits under the same names."""
    assert set(one.parts) == set(other.parts)
    for part in one.parts:
        assert set(one.parts[part]) == set(other.parts[part])
        for name, tensor in one.parts[part].items():
            again = other.parts[part][name]
            assert tensor.dtype == again.dtype
            assert torch.equal(tensor, again), name
    return True


def test_layouts_of_the_same_weights_are_the_same_tensors(flat, folder, converted):
    first = read_checkpoint(flat)
    assert set(first.parts) == set(PARTS)
    assert same(first, read_checkpoint(folder))
    assert same(first, read_checkpoint(converted))


def test_tensors_are_what_the_rows_say(flat):
    """By hand: copies are copies, the first part of a split is q or k, 1x1 kernels lose two axes."""
    parts = read_checkpoint(flat).parts
    seen = set()
    for part in PARTS:
        for row in rows_of(part, SMALL):
            values, seen = drawn(part, row, 0), seen | {row.operation}
            step = row.shape[0] // max(len(row.targets), 1) if row.shape else 0
            for i, target in enumerate(row.targets):
                wanted = values[i * step : (i + 1) * step] if len(row.targets) > 1 else values
                assert torch.equal(parts[part][target], wanted.squeeze((2, 3)) if row.squeezed else wanted), target
    assert seen == {"copy", "split", "squeeze", "drop"}


def test_sizes_are_read_off_the_file(flat, folder, converted):
    for place in (flat, folder, converted):
        assert read_checkpoint(place).sizes == SMALL


def test_every_tensor_of_the_published_size_loads(tmp_path):
    checkpoint = read_checkpoint(original(tmp_path / "full.pt", PUBLISHED, draw=hollow, dtype=torch.float16))
    assert checkpoint.sizes == PUBLISHED
    assert [len(checkpoint.parts[part]) for part in PARTS] == [777, 248, 372, 519]
    assert sum(tensor.numel() for tensor in checkpoint.parts["unet"].values()) == 941_672_900
    assert checkpoint.parts["unet"].bytes == 2 * 941_672_900


def test_every_name_of_the_published_port_fits(tmp_path):
    found = find(hollow_port(tmp_path / "full", PUBLISHED))
    assert (found.sizes, found.faults, found.refusal) == (PUBLISHED, [], None)
    assert [part.parameters for part in found.parts.values()] == [941_672_900, 83_653_863, 340_387_840, 630_766_080]


@pytest.mark.slow
def test_the_published_port_loads_and_is_written_whole(tmp_path):
    """4 GB of zeros in fp16: read, converted, read again."""
    checkpoint = read_checkpoint(hollow_port(tmp_path / "full", PUBLISHED))
    write_converted(checkpoint, tmp_path / "converted")
    again = read_checkpoint(tmp_path / "converted")
    assert (
        sum(tensor.numel() for part in again.parts.values() for tensor in part.values())
        == 941_672_900 + 83_653_863 + 340_387_840 + 630_766_080
    )


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A flat file of the published size, opened."""
    whole = find(original(tmp_path_factory.mktemp("full") / "full.pt", PUBLISHED, draw=hollow, dtype=torch.float16)).whole
    assert whole is not None
    return whole


def changed(whole, shapes):
    return found_original(replace(whole, shapes=shapes, dtypes=dict.fromkeys(shapes, torch.float16)))


@pytest.mark.parametrize(
    "name",
    [
        NET + "input_blocks.0.0.weight",
        NET + "middle_block.1.transformer_blocks.0.attn2.to_k.weight",
        NET + "image_embed.layers.2.0.to_kv.weight",
        NET + "image_embed.proj_in.weight",
        NET + "camera_embed.0.bias",
        NET + "output_blocks.2.1.conv.weight",
        "vae_model.encoder.mid.attn_1.q.weight",
        "vae_model.decoder.up.3.upsample.conv.bias",
        "clip_model.model.transformer.resblocks.23.ln_1.weight",
        "clip_model.model.visual.conv1.weight",
        "clip_model.model.logit_scale",
    ],
)
def test_one_tensor_dropped_renamed_or_reshaped_is_named(full, name):
    """At the published size, where a lone misfit must not pass for another size."""
    others, shape = {key: shape for key, shape in full.shapes.items() if key != name}, full.shapes[name]
    assert changed(full, others).faults == [f"missing {name}"]
    assert changed(full, {**others, name + "s": shape}).faults == [f"missing {name}", f"unexpected {name}s"]
    assert changed(full, {**others, name: (*shape[:-1], 7)}).faults == [f"{name} is {(*shape[:-1], 7)}, expected {shape}"]


@pytest.mark.parametrize("every", [29, pytest.param(1, marks=pytest.mark.slow)])
def test_every_name_matters(flat, every):
    """At the small size, which the file itself tells: without a tensor, or with another axis, it is not usable."""
    whole = find(flat).whole
    assert whole is not None
    names = [name for name in whole.shapes if name.startswith(("model.", "vae_model.", "clip_model."))]
    for name in names[::every]:
        others = {key: shape for key, shape in whole.shapes.items() if key != name}
        for shapes in (others, {**others, name: (*whole.shapes[name], 1)}):
            found = changed(whole, shapes)
            assert found.faults or found.refusal, name


@pytest.mark.parametrize("part", PARTS)
def test_the_port_is_as_strict(tmp_path, part):
    def edit(tensors):
        tensors["stranger"] = tensors.pop(list(tensors)[-1])

    with pytest.raises(CheckpointError, match=r"missing .*unexpected [a-z_]+/stranger"):
        read_checkpoint(port(tmp_path / "port", edit={part: edit}))


def test_ten_faults_are_named_and_the_others_counted(tmp_path):
    def edit(tensors):
        for name in [name for name in tensors if "input_blocks.1.1" in name]:
            del tensors[name]

    file = original(tmp_path / "full.pt", PUBLISHED, draw=hollow, dtype=torch.float16, edit=edit)
    with pytest.raises(CheckpointError, match=r"28 faults \((missing [^;]+; ){10}and 18 more\)"):
        read_checkpoint(file)


def test_position_ids_of_older_transformers_are_ignored_and_newer_names_understood(tmp_path, folder):
    def older(tensors):
        tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]

    def newer(tensors):
        for name in list(tensors):
            tensors[name.removeprefix("vision_model.")] = tensors.pop(name)

    assert same(read_checkpoint(folder), read_checkpoint(port(tmp_path / "port", edit={"text": older, "vision": newer})))


def test_towers_may_be_absent_together_but_not_in_part(tmp_path, flat):
    file = original(tmp_path / "bare.pt", towers=False)
    assert set(read_checkpoint(file).parts) == {"unet", "vae"}
    assert set(read_checkpoint(port(tmp_path / "port", towers=False)).parts) == {"unet", "vae"}

    def edit(tensors):
        for name in [name for name in tensors if "clip_model" in name and ".visual." not in name]:
            del tensors[name]

    with pytest.raises(CheckpointError, match=r"missing clip_model\.model\.token_embedding"):
        read_checkpoint(original(tmp_path / "half.pt", edit=edit))


def test_towers_of_another_model_are_refused(tmp_path):
    sizes = replace(SMALL, vision=replace(SMALL.vision, width=48, head_width=48))
    with pytest.raises(CheckpointError, match="image tower is 48 wide and the U-Net takes 40"):
        read_checkpoint(original(tmp_path / "mixed.pt", sizes))


def test_number_types_are_kept_recorded_or_changed_as_asked(tmp_path, flat):
    half = read_checkpoint(original(tmp_path / "half.pt", dtype=torch.float16))
    assert half.storage == dict.fromkeys(PARTS, "float16")
    assert half.parts["vae"]["quant_conv.bias"].dtype == torch.float16
    wide = read_checkpoint(half.path, dtype=torch.float32)
    assert wide.storage["unet"] == "float16"  # no more exact for being wider
    write_converted(wide, tmp_path / "wide")
    again = read_checkpoint(tmp_path / "wide")
    assert (again.storage["unet"], again.source.storage["unet"]) == ("float32", "float16")
    for dtype in (torch.float16, torch.bfloat16):
        part = read_checkpoint(flat, dtype=dtype).parts["unet"]
        assert {tensor.dtype for tensor in part.values()} == {dtype}
        assert part.bytes == 2 * sum(tensor.numel() for tensor in part.values())
    with pytest.raises(InputError, match="float64"):
        read_checkpoint(flat, dtype=torch.float64)


def test_stored_parameters_come_out_as_plain_tensors(tmp_path):
    def edit(tensors):
        tensors[NET + "out.2.bias"] = torch.nn.Parameter(tensors[NET + "out.2.bias"])

    assert not read_checkpoint(original(tmp_path / "parameters.pt", towers=False, edit=edit)).parts["unet"]["conv_out.bias"].requires_grad


def test_numbers_that_are_not_finite_are_seen_as_they_are_read(tmp_path):
    def edit(tensors):
        tensors[NET + "out.2.bias"][1] = float("nan")
        tensors[NET + "out.0.bias"][1] = -float("inf")
        tensors[NET + "out.0.weight"][1] = 1e6

    part = read_checkpoint(original(tmp_path / "bad.pt", edit=edit), dtype=torch.float16).parts["unet"]
    assert part["conv_in.bias"].isfinite().all()
    for name, words in {
        "conv_out.bias": r"out\.2\.bias holds numbers that are not finite",
        "conv_norm_out.bias": r"out\.0\.bias holds numbers that are not finite",
        "conv_norm_out.weight": r"out\.0\.weight holds numbers that torch\.float16 can't; take bfloat16",
    }.items():
        with pytest.raises(CheckpointError, match=words):
            part[name]


def test_what_is_not_stored_as_floating_point_is_refused(tmp_path):
    def edit(tensors):
        tensors[NET + "out.2.bias"] = torch.zeros(4, dtype=torch.int8)

    with pytest.raises(CheckpointError, match=r"out\.2\.bias is stored as int8"):
        read_checkpoint(original(tmp_path / "quantised.pt", edit=edit))


def test_a_part_of_two_number_types_needs_a_choice(tmp_path):
    def edit(tensors):
        tensors[NET + "out.2.bias"] = tensors[NET + "out.2.bias"].half()

    file = original(tmp_path / "mixed.pt", edit=edit)
    with pytest.raises(CheckpointError, match="unet is stored as float16, float32; choose"):
        read_checkpoint(file)
    assert read_checkpoint(file, dtype=torch.float32).storage["unet"] == "float16, float32"


def test_digests_are_those_of_the_files(flat, folder, converted):
    first, second, third = (read_checkpoint(place) for place in (flat, folder, converted))
    assert first.sha256 == first.source.sha256 == hashlib.sha256(flat.read_bytes()).hexdigest()
    names = sorted(f"{PORT_FOLDERS[part]}/{port_file(part)}" for part in PARTS)
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    assert second.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert third.source == first.source
    written = [converted / f"{part}.safetensors" for part in PARTS]
    assert third.sha256 == joint_sha256(converted, {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in written})


def test_a_folder_may_be_moved(tmp_path, converted):
    before = read_checkpoint(converted)
    after = read_checkpoint(shutil.copytree(converted, tmp_path / "elsewhere"))
    assert (before.sha256, before.source) == (after.sha256, after.source)


def test_a_converted_folder_that_was_changed_is_refused(tmp_path, converted):
    changed = tmp_path / "changed"
    shutil.copytree(converted, changed)
    tensors = load_file(changed / "vae.safetensors")
    tensors["quant_conv.bias"][0] += 1
    save_file(tensors, changed / "vae.safetensors")
    with pytest.raises(CheckpointError, match=r"vae\.safetensors: not the bytes that were written"):
        read_checkpoint(changed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda settings: settings.update(format=2), "format 2, expected 'imagedream' and 1"),
        (lambda settings: settings.update(kind="other"), "kind 'other'"),
        (lambda settings: settings["sizes"]["unet"].update(novelty=3), "damaged"),
        (lambda settings: settings["sizes"]["unet"].update(layers=2), "missing unet/down_blocks"),
        (lambda settings: settings.pop("source"), "damaged"),
        (lambda settings: settings["files"].pop("vae"), "missing the whole vae"),
    ],
)
def test_a_converted_folder_s_settings_are_checked(tmp_path, converted, change, words):
    changed = tmp_path / "changed"
    shutil.copytree(converted, changed)
    settings = json.loads((changed / "teacher.json").read_text())
    change(settings)
    (changed / "teacher.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint(changed)


def test_reading_runs_no_code_and_takes_none(folder):
    """The folder of the port holds a Python file that would stop the test."""
    assert (folder / "unet" / "mv_unet.py").exists()
    read_checkpoint(folder)


def test_paths_may_be_strings_and_folders_may_end_in_a_slash(folder):
    assert read_checkpoint(f"{folder}/").path == Path(folder)


def test_messages_are_one_sentence_with_place_and_mend(tmp_path):
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "nowhere")
    assert re.fullmatch(r"[^\n]+nowhere: [^\n]+; [^\n]+", str(caught.value))

"""`dd3g objects` in the shell's eyes: exit status, words, and what is not imported."""

import subprocess
import sys

import pytest
from PIL import Image

from dd3g.cli.main import main
from dd3g.core.views_folder import list_object_folders

from .meshes import cube_glb

SMALL = ["--rig", "small", "--size", "12", "--input-size", "12", "--supersampling", "1", "--workers", "1", "--quiet"]


@pytest.mark.usefixtures("in_this_process")
def test_broken_mesh_gives_status_2_and_its_reason_and_the_rest_is_rendered(tmp_path, capsys):
    cube_glb(tmp_path / "m" / "good.glb")
    (tmp_path / "m" / "bad.obj").write_text("v 0 0 0\n")
    out = tmp_path / "v"
    assert main(["objects", str(tmp_path / "m"), "--out", str(out), "--sheet", str(tmp_path / "sheet.png"), *SMALL]) == 2
    printed = capsys.readouterr()
    assert "bad.obj: holds no faces" in printed.err
    assert "1 objects rendered, 0 were there, 1 failed" in printed.out
    assert [folder.name for folder in list_object_folders(out)] == ["good"]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 6 * 128
    (tmp_path / "m" / "bad.obj").unlink()
    assert main(["objects", str(tmp_path / "m"), "--out", str(out), *SMALL]) == 0
    assert "0 objects rendered, 1 were there" in capsys.readouterr().out


@pytest.mark.usefixtures("in_this_process")
def test_everything_failed_is_status_2_too(tmp_path, capsys):
    (tmp_path / "bad.obj").write_text("")
    assert main(["objects", str(tmp_path), "--out", str(tmp_path / "v"), "--sheet", str(tmp_path / "s.png"), *SMALL]) == 2
    assert "0 objects rendered" in capsys.readouterr().out
    assert not (tmp_path / "s.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "either a folder of meshes or --procedural"),
        (["m", "--procedural", "3"], "either a folder of meshes or --procedural"),
        (["--procedural", "3", "--list", "x"], "--list"),
        (["--procedural", "0"], "--procedural: found 0"),
        (["--procedural", "1", "--seed", "-1"], "--seed: found -1"),
        (["--procedural", "1", "--workers", "0"], "--workers: found 0"),
        (["--procedural", "1", "--rig", "huge"], "--rig: found 'huge', expected one of standard"),
        (["--procedural", "1", "--light", "moon"], "light: found 'moon'"),
        (["--procedural", "1", "--size", "0"], "sizes"),
        (["--procedural", "1", "--stretch", "-0.1"], "--stretch: found -0.1, expected 0 (none) to 1"),
        (["--procedural", "1", "--stretch", "nan"], "--stretch: found nan"),
        (["--procedural", "1", "--stretch", "0.3", "--stretch-seed", "0"], "--stretch-seed: found 0, expected 1 or more"),
        (["--procedural", "1", "--stretch-seed", "2"], "--stretch-seed: chooses among stretches; give --stretch too"),
        (["nowhere"], "nowhere: no such folder"),
    ],
)
def test_wrong_options_are_one_sentence_and_status_2(tmp_path, capsys, arguments, words):
    assert main(["objects", *arguments, "--out", str(tmp_path / "v")]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "v").exists()


def test_help_needs_neither_torch_nor_numba():
    code = """if True:
        import sys
        from dd3g.cli.main import main
        try:
            main(["objects", "--help"])
        except SystemExit:
            print({"torch", "numba", "embreex"} & set(sys.modules))
    """
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.strip().endswith("set()")
    assert "--procedural" in printed


@pytest.mark.usefixtures("in_this_process")
def test_stretch_0_is_no_stretch_and_other_ones_have_names_of_their_own(tmp_path):
    made = ["objects", "--procedural", "1", "--seed", "4", *SMALL, "--out"]
    for folder, more in (("plain", []), ("zero", ["--stretch", "0"]), ("one", ["--stretch", "0.35"]), ("two", ["--stretch-seed", "2"])):
        more = [*more, "--stretch", "0.35"] if folder == "two" else more
        assert main([*made, str(tmp_path / folder), *more]) == 0
    plain, zero = (
        {path.relative_to(tmp_path / folder): path.read_bytes() for path in (tmp_path / folder).rglob("*") if path.is_file()}
        for folder in ("plain", "zero")
    )
    assert plain == zero
    assert [folder.name for name in ("plain", "one", "two") for folder in list_object_folders(tmp_path / name)] == [
        "made-004000000",
        "made-004000000~1",
        "made-004000000~2",
    ]

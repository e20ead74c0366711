"""`dd3g experiment`: names, and wishes that make no sense."""

import json

import pytest

from dd3g.cli.main import main


def test_the_list_names_every_experiment_with_its_arms(capsys):
    assert main(["experiment", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert len(listed) == 16
    assert listed["order"]["arms"] == ["mu-sq-ca", "mu-ca-sq", "sq-mu-ca", "ca-sq-mu", "all at the end"]
    assert main(["experiment", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(maxsplit=1) == ["noise", "The noise that belongs to the views: own, shuffled, fresh, zero"]
    assert all("  " in line for line in lines)  # a name and its title stand apart


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "NAME: none given"),
        (["colour"], "experiment colour: unknown"),
        (["noise", "--seeds", "0"], "--seeds: found 0"),
        (["noise", "--guidance", "2"], "--guidance: says nothing beside the exact teacher"),
        (["noise", "--teacher", "none.safetensors"], "none.safetensors"),
    ],
)
def test_wrong_wishes_are_one_sentence_and_status_2(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("dd3g.evaluate.experiments.run.open_world", lambda *_, **__: None)  # a teacher is refused before it is asked
    assert main(["experiment", *arguments, "--out", str(tmp_path)]) == 2
    said_all = capsys.readouterr().err
    assert said in said_all
    assert said_all.count("\n") == 1

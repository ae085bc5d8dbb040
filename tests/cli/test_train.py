"""kgwalk train: folders, settings, resuming, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

RUN = "runs/family-reinforce-seed0"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_dataset_is_all_it_needs(kgwalk: Any) -> None:
    done = kgwalk("train", "KGWalk-Family")
    assert done.exit_code == 0, done.output
    assert kgwalk.note()["seed"] == 0
    assert f"kgwalk evaluate {RUN}" in done.stderr
    run = json.loads((kgwalk.folder / RUN / "run.json").read_text())
    assert (run["dataset"], run["agent"], run["seed"], run["settings"]) == ("Family", "reinforce", 0, [])
    assert run["threads"] >= 1


def test_seed_and_settings_reach_the_agent(kgwalk: Any) -> None:
    settings = ["steps=3", "rate=1e-3", "final=expand", "bonus=true", "cap=5", "policy.dim=8", "policy.layers=1,2,3"]
    flags = [part for setting in settings for part in ("--set", setting)]
    assert kgwalk("train", "Family", "--seed", "7", *flags).exit_code == 0
    note = kgwalk.note("runs/family-reinforce-seed7")
    assert note["seed"] == 7
    assert note["config"] == {
        "steps": 3,
        "rate": 0.001,
        "final": "expand",
        "bonus": True,
        "cap": 5,
        "policy": {"dim": 8, "layers": [1, 2, 3]},
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("steps", "expected key=value"),
        ("step=3", "Config has no field 'step'; it has steps"),
        ("nonsense=3", "it has steps, rate, final, bonus, cap, policy"),
        ("steps=many", "expected a whole number"),
        ("rate=fast", "expected a number"),
        ("final=drop", "expected keep or expand"),
        ("bonus=1", "expected true or false"),
        ("policy=3", "policy has fields of its own: dim, layers"),
        ("steps.more=3", "steps has no fields"),
        ("policy.layers=1,x", "expected a whole number"),
    ],
)
def test_bad_settings_are_told_in_one_line(kgwalk: Any, setting: str, message: str) -> None:
    done = kgwalk("train", "Family", "--set", setting)
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (kgwalk.folder / "runs").exists()


def test_none_unsets_an_optional_field(kgwalk: Any) -> None:
    assert kgwalk("train", "Family", "--set", "cap=none").exit_code == 0
    assert kgwalk.note()["config"]["cap"] is None


def test_show_config_trains_nothing(kgwalk: Any) -> None:
    done = kgwalk("train", "Family", "--show-config", "--set", "steps=77")
    assert done.exit_code == 0
    assert "77" in done.stdout
    assert "policy.dim" in done.stdout
    assert not (kgwalk.folder / "runs").exists()


def test_a_run_is_not_overwritten_unasked(trained: Any) -> None:
    again = trained("train", "Family")
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    assert trained("train", "Family", "--restart", "--set", "steps=2").exit_code == 0
    assert trained.note()["config"]["steps"] == 2


def test_resume_goes_on_with_what_the_run_began_with(kgwalk: Any) -> None:
    assert kgwalk("train", "Family", "--set", "steps=4", "--threads", "1").exit_code == 0
    assert kgwalk("train", "Family", "--resume").exit_code == 0
    assert kgwalk.note()["resume"] is True
    assert kgwalk.note()["config"]["steps"] == 4
    assert json.loads((kgwalk.folder / RUN / "run.json").read_text())["threads"] == 1


def test_resume_of_nothing_begins(kgwalk: Any) -> None:
    assert kgwalk("train", "Family", "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Family", "--seed", "1"], "with seed 0"),
        (["mine"], "on Family"),
        (["Family", "--set", "steps=2"], "begun with other settings"),
        (["Family", "--threads", "0"], "expected 1 or more"),
    ],
)
def test_a_refused_resume_leaves_the_run_as_it_was(trained: Any, arguments: list[str], message: str) -> None:
    (trained.folder / "mine.tsv").write_text("".join(f"a{i}\tr\ta{i + 1}\n" for i in range(30)))
    assert trained("data", "import", "mine.tsv", "--out", "mine").exit_code == 0
    before = contents(trained.folder / RUN)
    done = trained("train", *arguments, "--folder", RUN, "--resume")
    assert done.exit_code == 2
    assert message in done.stderr
    assert contents(trained.folder / RUN) == before


@pytest.mark.parametrize("flags", [["--threads", "0"], ["--set", "steps=0"], ["--set", "step=1"], ["--agent", "none"]])
def test_a_refused_restart_deletes_nothing(trained: Any, flags: list[str]) -> None:
    before = contents(trained.folder / RUN)
    assert trained("train", "Family", "--folder", RUN, "--restart", *flags).exit_code == 2
    assert contents(trained.folder / RUN) == before


def test_restart_deletes_nothing_that_a_run_did_not_make(kgwalk: Any) -> None:
    notes = kgwalk.folder / "notes.txt"
    notes.write_text("mine")
    made = ["checkpoint.safetensors", "agent.safetensors", ".agent.safetensors.x1.tmp", "events.out.tfevents.7"]
    assert kgwalk("train", "Family", "--folder", ".").exit_code == 0
    for name in made:
        (kgwalk.folder / name).touch()
    assert kgwalk("train", "Family", "--folder", ".", "--restart", "--set", "steps=2").exit_code == 0
    assert notes.read_text() == "mine"
    assert not any((kgwalk.folder / name).exists() for name in made)
    assert json.loads((kgwalk.folder / "run.json").read_text())["settings"] == ["steps=2"]


def test_a_linked_folder_restarts(trained: Any) -> None:
    (trained.folder / "link").symlink_to(trained.folder / RUN)
    assert trained("train", "Family", "--folder", "link", "--restart", "--seed", "3").exit_code == 0
    assert trained.note()["seed"] == 3


@pytest.mark.parametrize("setting", ["steps=0", "rate=2"])
def test_a_training_that_fails_at_once_leaves_nothing_in_the_way(kgwalk: Any, setting: str) -> None:
    assert kgwalk("train", "Family", "--set", setting).exit_code == 2
    assert not (kgwalk.folder / RUN).exists()
    assert kgwalk("train", "Family").exit_code == 0


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("maximum recursion depth exceeded")])
def test_a_file_too_large_to_read_is_told_in_one_line(
    kgwalk: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("kgwalk.cli.train.load_dataset", fail)
    done = kgwalk("train", "Family")
    assert done.exit_code == 2
    assert done.stderr.strip() == f"error: {str(error) or 'MemoryError'}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["KGWalk-WN18"], "WN18RR"),
        (["Family", "--agent", "reinforced"], "no agent 'reinforced'"),
        (["Family", "--threads", "0"], "expected 1 or more"),
        (["Family", "--resume", "--restart"], "give one of them"),
    ],
)
def test_wrong_arguments_end_with_code_2_and_no_traceback(kgwalk: Any, arguments: list[str], message: str) -> None:
    done = kgwalk("train", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_missing_data_say_where_they_were_looked_for(kgwalk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGWALK_DATA", str(kgwalk.folder / "nowhere"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(kgwalk.folder / "cache"))
    done = kgwalk("train", "WN18RR")
    assert done.exit_code == 2
    assert "train.txt" in done.stderr
    assert str(kgwalk.folder / "nowhere" / "wn18rr") in done.stderr
    assert "KGWALK_DATA" in done.stderr


def test_without_torch_it_says_what_to_install(kgwalk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("kgwalk.cli.runs.importlib.import_module", missing)
    done = kgwalk("train", "Family")
    assert done.exit_code == 2
    assert "pip install 'kgwalk[agents]'" in done.stderr


def test_debug_shows_the_traceback(kgwalk: Any) -> None:
    done = kgwalk("--debug", "train", "Family", "--set", "x=1")
    assert isinstance(done.exception, ValueError)

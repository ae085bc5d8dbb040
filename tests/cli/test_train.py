"""kgwalk train: folders, settings, resuming, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

RUN = "runs/family-reinforce-seed0"


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


def test_resume_refuses_another_seed_of_the_folder(trained: Any) -> None:
    done = trained("train", "Family", "--seed", "1", "--folder", RUN, "--resume")
    assert done.exit_code == 2
    assert "seed 0" in done.stderr


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

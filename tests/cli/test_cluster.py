"""``--ray`` and ``--seeds``: what is refused, and seeds trained one after another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kgwalk.cli.runs import NOTE, Run
from kgwalk.cli.seeds import _train
from tests.cli.conftest import Kgwalk

WITHOUT_RAY = """
import sys
sys.modules["ray"] = None
from kgwalk.cli import main
sys.argv = ["kgwalk", "rules", "mine", "Family", "--ray"]
main()
"""


def refused(kgwalk: Kgwalk, *arguments: str) -> str:
    done = kgwalk(*arguments)
    assert done.exit_code == 2, done.output
    return done.output


def test_without_ray_its_extra_is_named(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_RAY], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "pip install 'kgwalk[ray]'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_seconds_are_for_one_process(kgwalk: Kgwalk) -> None:
    assert "with --ray give --rounds" in refused(kgwalk, "rules", "mine", "Family", "--ray", "--seconds", "3")


def test_shards_go_with_ray(kgwalk: Kgwalk) -> None:
    assert "--shards goes with --ray" in refused(kgwalk, "rules", "mine", "Family", "--shards", "3")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seeds", "0,x"], "expected whole numbers"),
        (["--seeds", "1,1"], "each seed once"),
        (["--seeds", "0,1", "--folder", "here"], "are for one seed"),
        (["--ray"], "give --seeds"),
    ],
)
def test_seeds_that_make_no_sense_are_refused(kgwalk: Kgwalk, options: list[str], words: str) -> None:
    assert words in refused(kgwalk, "train", "Family", *options)


def test_each_seed_has_a_run_of_its_own(kgwalk: Kgwalk) -> None:
    done = kgwalk("train", "Family", "--seeds", "4,2", "--set", "steps=3")
    assert done.exit_code == 0, done.output
    for seed in (4, 2):
        note = kgwalk.note(f"runs/family-reinforce-seed{seed}")
        assert (note["seed"], note["config"]["steps"], note["resume"]) == (seed, 3, False)


def test_a_seed_that_is_there_stops_all_of_them_but_resume_goes_on(kgwalk: Kgwalk) -> None:
    assert kgwalk("train", "Family", "--seeds", "1").exit_code == 0
    assert "--resume goes on" in refused(kgwalk, "train", "Family", "--seeds", "0,1")
    assert not (kgwalk.folder / "runs" / "family-reinforce-seed0").exists()
    assert kgwalk("train", "Family", "--seeds", "0,1", "--resume").exit_code == 0
    assert [kgwalk.note(f"runs/family-reinforce-seed{seed}")["resume"] for seed in (0, 1)] == [False, True]


def test_a_task_that_is_tried_again_goes_on_with_the_run_that_it_began_anew(tmp_path: Path) -> None:
    told: list[tuple[object, object]] = []

    def run(*, folder: Path, resume: bool, restart: bool, command: str | None, **_: object) -> None:
        told.append((resume, restart))
        Run("Family", None, "reinforce", 0, (), 1, command=command).save(folder)

    run(folder=tmp_path, resume=False, restart=False, command="an older one")
    for _ in range(2):
        _train(run, "this one", None, 0, tmp_path, None)
    (tmp_path / NOTE).unlink()  # a worker that died while it deleted
    (tmp_path / "checkpoint.safetensors").touch()
    _train(run, "this one", None, 0, tmp_path, None)
    _train(run, None, None, 0, tmp_path, None)
    assert told[1:] == [(False, True), (True, False), (False, True), (True, False)]

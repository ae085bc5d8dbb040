"""kgwalk evaluate, explain, predict, quickstart and data list on a trained run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from kgwalk import __version__
from kgwalk.cli.quickstart import one_per_relation
from kgwalk.data import family

RUN = "runs/family-reinforce-seed0"


def first_test_query() -> tuple[str, str]:
    dataset = family()
    source, relation, _ = dataset.splits["test"][0].tolist()
    return dataset.entities[source], dataset.relations[relation]


def test_evaluate_prints_and_saves(trained: Any) -> None:
    done = trained("evaluate", RUN, "--save", "out/report.json", "--by-relation")
    assert done.exit_code == 0, done.output
    assert "reinforce on Family test" in done.stdout
    for word in ("MRR", "H@10", "tail", "head", "both", "by relation"):
        assert word in done.stdout
    saved = json.loads((trained.folder / "out/report.json").read_text())
    assert saved["counts"]["tail"]["queries"] == len(family().splits["test"])
    assert set(saved["metrics"]) == {"tail", "head", "both"}


def test_evaluate_one_direction_of_another_split(trained: Any) -> None:
    done = trained("evaluate", RUN, "--split", "valid", "--direction", "tail", "--raw")
    assert done.exit_code == 0, done.output
    assert "Family valid (raw)" in done.stdout
    assert "head" not in done.stdout


def test_explain_in_words_and_json(trained: Any) -> None:
    source, relation = first_test_query()
    words = trained("explain", RUN, source, relation, "--answers", "2")
    assert words.exit_code == 0, words.output
    assert words.stdout.startswith(f"{source}, {relation}: ?\n  1. ")
    assert f"{source} --" in words.stdout or f"{source} <--" in words.stdout
    told = json.loads(trained("explain", RUN, source, f"^{relation}", "--json").stdout)
    assert told["query"]["relation"] == f"^{relation}"
    assert told["answers"][0]["paths"][0]["hops"]


def test_pictures_that_cannot_be_drawn_are_refused_first(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done = trained("explain", RUN, "nobody", "cousin", "--picture", "why.jpg")
    assert done.exit_code == 2
    assert "why.jpg: cannot tell the format; expected a name ending in .png, .svg" in done.stderr
    for module in ("kgwalk.explain.picture", "kgwalk.envs.drawing"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # type: ignore[arg-type]
    done = trained("explain", RUN, "nobody", "cousin", "--picture", "why.png")
    assert done.exit_code == 2
    assert "--picture needs matplotlib, which is not installed: pip install matplotlib" in done.stderr


def test_explain_unknown_entity_names_near_ones(trained: Any) -> None:
    source, relation = first_test_query()
    done = trained("explain", RUN, source + "x", relation)
    assert done.exit_code == 2
    assert f"did you mean {source}" in done.stderr
    assert not done.stderr.startswith('"')


def test_predict_writes_a_file(trained: Any) -> None:
    source, relation = first_test_query()
    (trained.folder / "queries.tsv").write_text(f"{source}\t{relation}\nnobody\t{relation}\n")
    refused = trained("predict", RUN, "queries.tsv", "out.tsv")
    assert refused.exit_code == 2
    assert "queries.tsv:2" in refused.stderr
    done = trained("predict", RUN, "queries.tsv", "out.tsv", "--skip-unknown", "--answers", "3")
    assert done.exit_code == 0, done.output
    assert "3 answers to 1 queries in out.tsv, 1 with unknown names skipped" in done.stderr
    assert len((trained.folder / "out.tsv").read_text().splitlines()) == 4


@pytest.mark.parametrize("command", [["evaluate"], ["explain", "a", "b"], ["predict", "a.tsv", "b.tsv"]])
def test_no_run_is_an_error(kgwalk: Any, command: list[str]) -> None:
    done = kgwalk(command[0], "runs/none", *command[1:])
    assert done.exit_code == 2
    assert "runs/none is no run" in done.stderr


def test_damaged_note_is_an_error(trained: Any) -> None:
    (trained.folder / RUN / "run.json").write_text('{"dataset": "Family"')
    done = trained("evaluate", RUN)
    assert done.exit_code == 2
    assert "damaged" in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": 5}, "'dataset' must be a text, got 5"),
        ({"settings": "steps=3"}, "'settings' must be a list of texts"),
        ({"settings": [3]}, "'settings' must be a list of texts"),
        ({"threads": True}, "'threads' must be a whole number"),
        ({"data_dir": []}, "'data_dir' must be a text or null"),
        ({"colour": "red"}, "unknown or missing fields: 'colour'"),
        (None, "expected an object, got list"),
    ],
)
def test_a_note_of_wrong_types_names_file_and_field(trained: Any, change: dict[str, Any] | None, message: str) -> None:
    path = trained.folder / RUN / "run.json"
    note = [] if change is None else {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps(note))
    done = trained("evaluate", RUN)
    assert done.exit_code == 2
    assert "run.json is damaged" in done.stderr
    assert message in done.stderr


def test_a_run_of_another_graph_is_refused(trained: Any) -> None:
    path = trained.folder / RUN / "agent.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "fingerprint": "other"}))
    done = trained("evaluate", RUN)
    assert done.exit_code == 2
    assert "another graph" in done.stderr


def test_quickstart_trains_measures_and_explains(kgwalk: Any) -> None:
    for _ in range(2):  # a second time replaces the first
        done = kgwalk("quickstart", "--threads", "1")
        assert done.exit_code == 0, done.output
    assert "reinforce on Family test" in done.stdout
    assert done.stdout.count("held out: ") == 3
    assert done.stdout.count("-->") + done.stdout.count("<--") >= 3
    assert (kgwalk.folder / RUN / "run.json").is_file()


def test_queries_shown_are_of_different_relations() -> None:
    queries = np.array([[0, 3, 1], [1, 3, 2], [2, 1, 3], [3, 0, 4], [4, 7, 4]], dtype=np.int32)
    assert one_per_relation(queries, 3)[:, 1].tolist() == [0, 3, 7]
    assert one_per_relation(queries, 9)[:, 1].tolist() == [0, 1, 3, 7]


def test_data_list_shows_every_dataset(kgwalk: Any) -> None:
    done = kgwalk("data", "list")
    assert done.exit_code == 0
    for name in ("KGWalk-WN18RR", "KGWalk-FB15k-237", "KGWalk-NELL-995", "KGWalk-Countries-S3", "KGWalk-Family"):
        assert name in done.stdout


def test_version_and_help(kgwalk: Any) -> None:
    assert kgwalk("--version").stdout.strip() == __version__
    for command in ("quickstart", "train", "evaluate", "explain", "predict", "data", "rules"):
        done = kgwalk(command, "--help")
        assert done.exit_code == 0
        assert "Usage" in done.stdout


def test_commands_without_an_agent_load_no_torch() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from kgwalk.cli import app\n"
        "for words in (['--help'], ['data', 'list'], ['train', '--help'], ['rules', 'show', 'Family']):\n"
        "    assert CliRunner().invoke(app, words).exit_code == 0\n"
        "assert 'torch' not in sys.modules, 'torch was loaded'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "COLUMNS": "80"})

"""The commands with a real agent: a tiny REINFORCE run on Family, from training to explanation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kgwalk import _core
from kgwalk.cli import app
from kgwalk.data import Dataset, family

pytest.importorskip("torch", reason="agents need torch: pip install 'kgwalk[agents]'")

TINY = ["warm_up_steps=2", "steps=2", "batch=32", "warm_up_batch=32", "warm_up_paths=4", "rollouts=4", "beam=16"]
TINY += ["validate_every=2", "validate_queries=32", "policy.hidden_dim=16", "policy.mlp_dims=16"]


def kgwalk(*arguments: str | Path) -> Result:
    done = CliRunner(env={"COLUMNS": "160"}).invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return family()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "family"
    before = _core.num_threads()
    flags = [part for setting in TINY for part in ("--set", setting)]
    kgwalk("train", "Family", "--folder", folder, "--threads", "1", *flags)
    _core.set_num_threads(before)
    return folder


@pytest.mark.usefixtures("keep_num_threads")
def test_evaluation_counts_every_query(run: Path, dataset: Dataset, tmp_path: Path) -> None:
    kgwalk("evaluate", run, "--threads", "1", "--save", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["counts"]["tail"]["queries"] == len(dataset.splits["test"])
    assert 0 <= report["metrics"]["both"]["mrr"] <= 1


@pytest.mark.usefixtures("keep_num_threads")
def test_explained_paths_are_walks_of_the_graph(run: Path, dataset: Dataset) -> None:
    source, relation, _ = dataset.splits["test"][0].tolist()
    shown = kgwalk("explain", run, dataset.entities[source], dataset.relations[relation], "--json", "--threads", "1")
    paths = [path for answer in json.loads(shown.stdout)["answers"] for path in answer["paths"]]
    assert paths
    for path in paths:
        here = source
        for hop in path["hops"]:
            there, followed = dataset.entity(hop["entity"]), dataset.relation(hop["relation"])
            fact = (there, followed, here) if hop["inverse"] else (here, followed, there)
            assert dataset.graph.find(*fact) >= 0
            here = there


@pytest.mark.usefixtures("keep_num_threads")
def test_predictions_equal_explanations(run: Path, dataset: Dataset, tmp_path: Path) -> None:
    name, relation = dataset.entities[3], dataset.relations[0]
    (tmp_path / "queries.csv").write_text(f"{name},^{relation}\n")
    kgwalk("predict", run, tmp_path / "queries.csv", tmp_path / "out.jsonl", "--answers", "2", "--threads", "1")
    flags = ("--answers", "2", "--paths", "1", "--json", "--threads", "1")
    explained = kgwalk("explain", run, name, f"^{relation}", *flags)
    assert json.loads((tmp_path / "out.jsonl").read_text()) == json.loads(explained.stdout)


@pytest.mark.usefixtures("keep_num_threads")
def test_a_finished_run_resumes_to_itself(run: Path) -> None:
    before = (run / "agent.safetensors").read_bytes()
    kgwalk("train", "Family", "--folder", run, "--resume")
    assert (run / "agent.safetensors").read_bytes() == before


@pytest.mark.usefixtures("keep_num_threads")
@pytest.mark.parametrize("way", ["--resume", "--restart"])
def test_a_configuration_that_cannot_be_trained_leaves_the_run(run: Path, way: str) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    done = CliRunner().invoke(app, ["train", "Family", "--folder", str(run), way, "--set", "hops=0"])
    assert done.exit_code == 2
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


@pytest.mark.usefixtures("keep_num_threads")
def test_a_run_of_another_graph_is_refused(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "agent.safetensors").write_bytes((run / "agent.safetensors").read_bytes())
    (tmp_path / "mine.tsv").write_text("".join(f"a{i}\tr\ta{i + 1}\n" for i in range(30)))
    kgwalk("data", "import", tmp_path / "mine.tsv", "--out", tmp_path / "mine")
    note = json.loads((run / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**note, "dataset": str(tmp_path / "mine")}))
    done = CliRunner().invoke(app, ["evaluate", str(other)])
    assert done.exit_code == 2
    assert "trained on Family" in done.stderr


@pytest.mark.usefixtures("keep_num_threads")
def test_a_picture_of_an_explanation(run: Path, dataset: Dataset, tmp_path: Path) -> None:
    source, relation, _ = dataset.splits["test"][0].tolist()
    query = (dataset.entities[source], dataset.relations[relation])
    done = kgwalk("explain", run, *query, "--picture", tmp_path / "why.svg", "--threads", "1")
    assert "why.svg" in done.stderr
    best = done.stdout.splitlines()[1].split("  ")[1].removeprefix("1. ")
    picture = (tmp_path / "why.svg").read_text()
    assert all(f"<!-- {text} -->" in picture for text in (dataset.label(source), best, "Family, reinforce"))

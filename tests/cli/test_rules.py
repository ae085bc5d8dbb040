"""kgwalk rules, and the other commands on an agent of rules."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kgwalk import _core
from kgwalk.cli import app
from kgwalk.data import Dataset, family
from kgwalk.rules import read_rules

pytest.importorskip("torch", reason="agents need torch: pip install 'kgwalk[agents]'")

pytestmark = pytest.mark.usefixtures("keep_num_threads", "in_empty_folder")


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])


def kgwalk(*arguments: str | Path) -> Result:
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    return done


def refused(*arguments: str | Path) -> str:
    done = invoke(*arguments)
    assert done.exit_code == 2, done.output
    return done.stderr


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return family()


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    before = _core.num_threads()
    path = tmp_path_factory.mktemp("mined") / "family.txt"
    kgwalk("rules", "mine", "Family", "--max-length", "2", "--threads", "1", "--out", path)
    _core.set_num_threads(before)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    before = _core.num_threads()
    folder = tmp_path_factory.mktemp("runs") / "family"
    kgwalk("train", "Family", "--agent", "rules", "--set", "max_length=2", "--folder", folder, "--threads", "1")
    _core.set_num_threads(before)
    return folder


def test_mine_names_its_file_and_says_what_it_found(dataset: Dataset) -> None:
    done = kgwalk("rules", "mine", "KGWalk-Family", "--max-length", "1", "--threads", "1")
    rules = read_rules("family-rules.txt", dataset)
    assert done.stdout.startswith(f"{len(rules):,} rules: ")
    assert "cyclic" in done.stdout
    assert "all counts exact; written to family-rules.txt" in done.stdout


def test_mine_gives_the_same_whatever_the_threads(mined: Path) -> None:
    kgwalk("rules", "mine", "Family", "--max-length", "2", "--threads", "2", "--out", "again.txt.gz")
    assert gzip.decompress(Path("again.txt.gz").read_bytes()) == mined.read_bytes()


def test_mine_takes_its_thresholds(dataset: Dataset) -> None:
    flags = ["--max-length", "2", "--min-support", "20", "--min-confidence", "0.5", "--out", "few.txt"]
    kgwalk("rules", "mine", "Family", *flags, "--threads", "1")
    rules = read_rules("few.txt", dataset)
    assert len(rules)
    assert rules.support.min() >= 20
    assert rules.confidence.min() >= 0.5


def test_ctrl_c_keeps_what_was_found(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    class Interrupted(_core.RuleMiner):
        def step(self) -> bool:
            super().step()
            raise KeyboardInterrupt

    monkeypatch.setattr(_core, "RuleMiner", Interrupted)
    done = kgwalk("rules", "mine", "Family", "--threads", "1")
    assert "interrupted after 1 round:" in done.stderr
    assert "the same again: --rounds 1" in done.stdout
    assert len(read_rules("family-rules.txt", dataset))


def test_show_lists_the_best_rules_of_a_relation_in_words(mined: Path) -> None:
    done = kgwalk("rules", "show", "Family", mined, "--relation", "uncle", "--kind", "cyclic", "--top", "3")
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["confidence", "support", "predictions", "rule"]
    assert len(rows) == 3
    assert all(" X uncle Y if " in row for row in rows)
    confidence, support, predictions = ([float(row.split()[i].replace(",", "")) for row in rows] for i in range(3))
    assert confidence == sorted(confidence, reverse=True)
    assert confidence[0] == pytest.approx(support[0] / (predictions[0] + 5), abs=1e-3)
    assert "about uncle" in done.stderr


def test_show_mines_if_no_file_is_given(mined: Path) -> None:
    shown = kgwalk("rules", "show", "Family", "--relation", "uncle", "--kind", "constant", "--threads", "1")
    assert shown.stdout == kgwalk("rules", "show", "Family", mined, "--relation", "uncle", "--kind", "constant").stdout


def test_evaluate_measures_as_an_agent_is_measured(mined: Path, run: Path) -> None:
    kgwalk("rules", "evaluate", "Family", mined, "--save", "file.json", "--threads", "1")
    kgwalk("evaluate", run, "--save", "run.json", "--threads", "1")
    of_file, of_run = (json.loads(Path(name).read_text()) for name in ("file.json", "run.json"))
    assert of_file["metrics"] == of_run["metrics"]
    assert of_file["metrics"]["tail"]["mrr"] > 0.5


def test_evaluate_takes_its_settings(mined: Path) -> None:
    plain = kgwalk("rules", "evaluate", "Family", mined, "--direction", "tail", "--split", "valid")
    assert "Family valid" in plain.stdout
    assert "head" not in plain.stdout
    flags = ["--aggregation", "max-plus", "--smoothing", "50", "--zero-weight", "0.01", "--growth", "3"]
    other = kgwalk("rules", "evaluate", "Family", mined, "--direction", "tail", "--split", "valid", *flags)
    assert other.stdout != plain.stdout


def test_convert_reads_confidences_and_writes_anyburls_text() -> None:
    text = "0.9\tuncle(X,Y) <= father(X,A), brother(A,Y)\n0.05\tuncle(X,Y) <= aunt(X,Y)\nnonsense\n"
    Path("in.tsv.gz").write_bytes(gzip.compress(text.encode()))
    assert "in.tsv.gz:3" in refused("rules", "convert", "in.tsv.gz", "out.txt", "--dataset", "Family")
    assert not Path("out.txt").exists()
    flags = ["--dataset", "Family", "--skip-bad", "--min-confidence", "0.1"]
    done = kgwalk("rules", "convert", "in.tsv.gz", "out.txt", *flags)
    assert "1 rules written to out.txt, 1 below 0.1 dropped" in done.stdout
    assert Path("out.txt").read_text() == "0\t0\t0.9\tuncle(X,Y) <= father(X,A), brother(A,Y)\n"


def test_what_cannot_be_done_is_said_in_one_line(mined: Path) -> None:
    Path("folder").mkdir()
    assert "--out folder is a folder" in refused("rules", "mine", "Family", "--out", "folder")
    Path("file").touch()
    assert "file is no folder that can be written to" in refused("rules", "mine", "Family", "--out", "file/x.txt")
    assert "seconds: expected a positive number" in refused("rules", "mine", "Family", "--seconds", "0")
    assert "rounds: expected 1 or more" in refused("rules", "mine", "Family", "--rounds", "0")
    assert "--threads is 0" in refused("rules", "mine", "Family", "--threads", "0")
    assert "nothing.txt: no such file" in refused("rules", "show", "Family", "nothing.txt")
    assert "did you mean uncle" in refused("rules", "show", "Family", mined, "--relation", "uncel")
    assert "growth must be" in refused("rules", "evaluate", "Family", mined, "--growth", "-1")
    wrong = ("rules", "convert", mined, "out.txt", "--dataset", "Family", "--min-confidence", "2")
    assert "--min-confidence is 2.0" in refused(*wrong)


def test_explain_names_rules_with_walks(run: Path, dataset: Dataset) -> None:
    source, relation, _ = dataset.splits["test"][0].tolist()
    asked = (dataset.entities[source], dataset.relations[relation])
    words = kgwalk("explain", run, *asked, "--answers", "1", "--threads", "1").stdout
    assert f" {dataset.relations[relation]} " in words
    assert " if " in words
    assert "--> " in words or "<--" in words
    told = json.loads(kgwalk("explain", run, *asked, "--json", "--threads", "1").stdout)
    for answer in told["answers"]:
        assert answer["rules"]
        assert all(0 < rule["confidence"] <= 1 for rule in answer["rules"])


def test_predict_writes_the_best_rule_of_each_answer(run: Path, dataset: Dataset) -> None:
    source, relation, _ = dataset.splits["test"][0].tolist()
    Path("q.tsv").write_text(f"{dataset.entities[source]}\t{dataset.relations[relation]}\n")
    kgwalk("predict", run, "q.tsv", "out.tsv", "--answers", "2", "--threads", "1")
    header, first, _ = (line.split("\t") for line in Path("out.tsv").read_text().splitlines())
    row = dict(zip(header, first, strict=True))
    assert " if " in row["rule"]
    assert 0 < float(row["rule_confidence"]) <= 1
    assert "--" in row["path"]
    assert row["path_probability"] == ""


def test_a_finished_run_resumes_to_itself(run: Path) -> None:
    before = (run / "agent.safetensors").read_bytes()
    assert "holds a run already" in refused("train", "Family", "--agent", "rules", "--folder", run)
    kgwalk("train", "Family", "--agent", "rules", "--folder", run, "--resume")
    assert (run / "agent.safetensors").read_bytes() == before


def test_a_configuration_that_means_nothing_leaves_no_run() -> None:
    assert "top_k must be" in refused("train", "Family", "--agent", "rules", "--folder", "new", "--set", "top_k=-1")
    assert not Path("new").exists()

"""kgwalk data: import, report, verify, fetch and convert as a user meets them."""

from __future__ import annotations

import json
from typing import Any

import pytest

TRIPLES = "".join(f"a{i}\tnext\ta{i + 1}\na{i + 1}\tprevious\ta{i}\n" for i in range(20))


@pytest.fixture
def imported(kgwalk: Any) -> Any:
    (kgwalk.folder / "mine.tsv").write_text(TRIPLES + "a0\tnext\ta1\n")
    done = kgwalk("data", "import", "mine.tsv", "--split", "80/10/10")
    assert done.exit_code == 0, done.output
    assert "21 entities, 2 relations" in done.stdout
    assert "1 duplicate rows were dropped" in done.stdout
    assert "kgwalk data report mine" in done.stderr
    return kgwalk


def test_an_imported_folder_can_be_trained_evaluated_and_explained(imported: Any) -> None:
    assert imported("train", "mine").exit_code == 0
    run = "runs/mine-reinforce-seed0"
    assert json.loads((imported.folder / run / "run.json").read_text())["dataset"] == str(imported.folder / "mine")
    assert "mine test" in imported("evaluate", run).stdout
    assert imported("explain", run, "a3", "next").stdout.startswith("a3, next: ?\n")


def test_import_does_not_overwrite_unasked(imported: Any) -> None:
    done = imported("data", "import", "mine.tsv", "--out", "mine")
    assert done.exit_code == 2
    assert "mine exists" in done.stderr
    assert imported("data", "import", "mine.tsv", "--out", "mine", "--overwrite").exit_code == 0


def test_import_names_the_malformed_line(kgwalk: Any) -> None:
    (kgwalk.folder / "bad.tsv").write_text("a\tr\tb\na\tb\n")
    done = kgwalk("data", "import", "bad.tsv", "--out", "bad")
    assert done.exit_code == 2
    assert "bad.tsv:2" in done.stderr
    assert not (kgwalk.folder / "bad").exists()


def test_report_shows_and_saves(imported: Any) -> None:
    done = imported("data", "report", "mine", "--max-out-degree", "2", "--save", "report.json")
    assert done.exit_code == 0, done.output
    for shown in ("entities", "2 edges a node", "inverses", "valid", "test"):
        assert shown in done.stdout
    assert json.loads((imported.folder / "report.json").read_text())["max_out_degree"] == 2


def test_report_of_an_unknown_split(kgwalk: Any) -> None:
    done = kgwalk("data", "report", "Family", "--split", "exam")
    assert done.exit_code == 2
    assert "no split 'exam'" in done.stderr


def test_verify_finds_a_changed_file(imported: Any) -> None:
    assert imported("data", "verify", "mine").exit_code == 0
    (imported.folder / "mine" / "train.txt").write_text("a\tnext\tb\n")  # the plain file comes before the gzipped one
    done = imported("data", "verify", "mine")
    assert done.exit_code == 1
    assert "changed" in done.stdout


def test_verify_of_a_generated_set(kgwalk: Any) -> None:
    done = kgwalk("data", "verify", "Family")
    assert done.exit_code == 0
    assert "no files to check" in done.stdout


def test_fetch_says_what_it_cannot_download(kgwalk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(url: str, **_: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("pooch.retrieve", offline)
    done = kgwalk("data", "fetch", "WN18RR", "--out", "wn")
    assert done.exit_code in (1, 2)
    assert "kgwalk data convert WN18RR" in done.output
    assert "Traceback" not in done.output


def test_convert_of_an_archive_without_the_files(kgwalk: Any) -> None:
    (kgwalk.folder / "unpacked").mkdir()
    done = kgwalk("data", "convert", "WN18RR", "unpacked", "--out", "wn")
    assert done.exit_code == 2
    assert "train.txt in unpacked" in done.stderr
    assert not (kgwalk.folder / "wn").exists()

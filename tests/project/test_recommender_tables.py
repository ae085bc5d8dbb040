"""The tables of benchmarks.recommenders hold what records say, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.recommenders import published, speed, tables
from benchmarks.recommenders.__main__ import main
from benchmarks.recommenders.rows import STUDIES, bench_of, rows_of, slug


def record(study: str, row: str, seed: int, recall: float, *, auc: float | None = 0.8) -> dict[str, Any]:
    metrics: dict[str, Any] = {"topk-all": {"recall@10": recall, "cold_recall@20": 0.25}}
    if auc is not None:
        metrics["ctr"] = {"auc": auc, "f1": 0.7}
    told = {"bench": bench_of(study), "name": row, "dataset": "last-fm", "seed": seed, "agent": "kgcn"}
    return {**told, "protocol": {"row": row}, "metrics": metrics}


def cells(text: str, row: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith(f"| {row} |")]
    assert len(lines) == 1, text
    return [cell.strip() for cell in lines[0].strip("|").split("|")]


def test_a_model_stands_beside_the_baselines_of_its_own_seeds() -> None:
    records = [
        record("models", "item-cf", 0, 0.2),
        record("models", "item-cf", 1, 0.1),
        record("models", "kgcn-sum", 0, 0.3),
        record("models", "kgcn-sum", 1, 0.4),
        record("models", "kgcn-sum", 2, 0.9),  # no baseline was measured on this one
    ]
    text = tables.blocks(records)["models-last-fm"]
    header = cells(text, "model")
    row = dict(zip(header, cells(text, "`kgcn-sum`"), strict=True))
    assert row["R@10"] == "0.533 (0.300 to 0.900)"
    assert row["R@10 less item-cf's"] == "+0.200"
    assert row["R@10 less most-popular's"] == ""
    assert row["published AUC / F1 / R@10 / R@100, counted its own way"] == "0.794 / 0.719 / 0.112 / 0.364"
    assert row["seeds"] == "3"
    assert row["NDCG@10"] == ""
    assert tables.blocks(records)["models-movielens-1m"] == tables.ABSENT


def test_an_agent_without_clicks_has_no_auc() -> None:
    text = tables.blocks([record("models", "path-reasoning", 0, 0.2, auc=None)])["models-last-fm"]
    row = dict(zip(cells(text, "model"), cells(text, "`path-reasoning`"), strict=True))
    assert (row["AUC"], row["R@10"]) == ("", "0.200")


def test_rows_keep_the_order_of_their_study() -> None:
    text = tables.blocks([record("kgcn-depth", name, 0, 0.1) for name in ("3", "1")])["kgcn-depth"]
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:]] == ["1", "3"]
    row = dict(zip(cells(text, "kgcn-depth"), cells(text, "3"), strict=True))
    assert row["published AUC"] == "0.545"


def test_the_tricks_of_the_fast_variant_by_depth() -> None:
    text = tables.blocks([record("mi-fast", "FMK, h=2", 0, 0.1)])["mi-fast"]
    row = dict(zip(cells(text, "variant"), cells(text, "FMK"), strict=True))
    assert (row["R@10, h=2"], row["R@10, h=1"], row["published R@10"]) == ("0.100", "", "0.134")


def test_what_the_tricks_save_is_told_beside_what_they_saved_in_the_paper() -> None:
    timed = {"bench": speed.BENCH, "name": "x", "dataset": "last-fm", "seed": 0, "agent": None}
    metrics = {"FMK, h=4": {"epoch_seconds": 3.0}, "MI-KGNN, h=4": {"epoch_seconds": 12.0}}
    found = tables.blocks([{**timed, "protocol": {"study": "mi-fast", "threads": 2}, "metrics": metrics}])
    text = found["mi-fast-speed"]
    row = dict(zip(cells(text, "variant"), cells(text, "FMK"), strict=True))
    assert (row["s an epoch, h=4"], row["of MI-KGNN's, h=4"], row["published, h=4"]) == ("3.00", "0.25", "0.76")
    assert (row["s an epoch, h=1"], row["threads"]) == ("", "2")
    assert found["speed"] == tables.ABSENT


def test_rows_that_a_study_does_not_have_are_refused() -> None:
    assert list(rows_of("mi-depth", ["3", "1"])) == ["1", "3"]
    with pytest.raises(SystemExit, match="mi-depth has no rows 5, x; it has 1, 2, 3, 4"):
        rows_of("mi-depth", ["x", "3", "5"])


def test_a_record_of_speed_has_all_rows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["speed", "LastFM", "--rows", "kgcn-sum", "--save"])
    assert "speed --save needs all rows" in capsys.readouterr().err


def test_published_rows_are_rows_of_the_studies() -> None:
    assert published.MODELS.keys() <= STUDIES["models"].rows.keys()
    for study, (_, rows) in published.STUDIES.items():
        assert rows.keys() <= STUDIES[study].rows.keys()
    assert {f"{name}, h={h}" for name in published.FAST_SECONDS for h in range(1, 5)} == STUDIES["mi-fast"].rows.keys()


@pytest.mark.parametrize("study", STUDIES)
def test_names_of_records_tell_rows_apart(study: str) -> None:
    names = [slug(name) for name in STUDIES[study].rows]
    assert all(names)
    assert len(set(names)) == len(names)
    settings = ["-".join(map(slug, row.settings)) + row.agent for row in STUDIES[study].rows.values()]
    assert len(set(settings)) == len(settings)  # or two rows would share a run

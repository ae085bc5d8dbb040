"""``kgwalk recommend`` and ``kgwalk quickstart bookshop`` with a real agent that has hardly been trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kgwalk.cli import app
from kgwalk.cli.runs import Run
from kgwalk.data import Recommendation, bookshop

pytest.importorskip("torch", reason="agents need torch: pip install 'kgwalk[agents]'")

from kgwalk.agents import ItemCF, Nser, NserConfig

pytestmark = pytest.mark.usefixtures("keep_num_threads")

SHORT = NserConfig(dim=8, hidden=8, batch_size=64, steps=2, validate_every=2, validate_users=20, budget=12)


def kgwalk(*arguments: str | Path) -> Result:
    words = [*(str(argument) for argument in arguments), "--threads", "1"]
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, words)


def refused(*arguments: str | Path) -> str:
    done = kgwalk(*arguments)
    assert done.exit_code == 2, done.output
    assert not done.stdout
    return done.stderr


@pytest.fixture(scope="module")
def shop() -> Recommendation:
    return bookshop()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, shop: Recommendation) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "nser"
    Nser.fit(shop, SHORT, folder)
    Run("Bookshop", None, "nser", 0, (), 1).save(folder)
    return folder


@pytest.fixture(scope="module")
def item_cf(tmp_path_factory: pytest.TempPathFactory, shop: Recommendation) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "item-cf"
    ItemCF.fit(shop, ItemCF.config_for("Bookshop"), folder)
    Run("Bookshop", None, "item-cf", 0, (), 1).save(folder)
    return folder


def test_a_list_in_words_and_json(run: Path, shop: Recommendation) -> None:
    name = shop.label(0)
    done = kgwalk("recommend", run, name, "-k", "4")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{name} has read ")
    assert lines[0].endswith("4 books recommended, 4 of them with a reason.")
    assert lines[2] == "What speaks for them"
    assert sum(line.startswith(f"     {name} has read “") for line in lines) == 4
    told = json.loads(kgwalk("recommend", run, shop.entities[0], "-k", "4", "--paths", "2", "--json").stdout)
    assert [item["label"] for item in told["items"]] == [line[5:] for line in lines if line[:5].strip(" 1234") == "."]
    assert max(len(item["paths"]) for item in told["items"]) == 2
    assert sum(one["share"] for one in told["metapaths"]) == pytest.approx(1)


def test_a_short_list_is_filled_up(run: Path, item_cf: Path, shop: Recommendation) -> None:
    done = kgwalk("recommend", run, shop.label(0), "-k", "15")
    assert done.stdout.count("(unexplained: by popularity)") == 3
    assert "nser lists 12; the list is filled up by popularity." in done.stdout
    told = json.loads(kgwalk("recommend", run, shop.label(0), "-k", "15", "--fill", item_cf, "--json").stdout)
    assert [item["by"] for item in told["items"]] == ["nser"] * 12 + ["item-cf"] * 3
    assert [item["explained"] for item in told["items"]] == [True] * 12 + [False] * 3


def test_a_new_user(run: Path, item_cf: Path, shop: Recommendation) -> None:
    book, other = shop.label(shop.items.first), shop.entities[shop.items.first + 1]
    flags = ("--new-user", book, "--new-user", other, "-k", "14", "--fill", item_cf)
    done = kgwalk("recommend", run, *flags)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("The new reader has read 2 books.")
    assert book not in [line[5:] for line in done.stdout.splitlines() if line[3:5] == ". "]


def test_an_agent_that_does_not_walk(item_cf: Path, shop: Recommendation, tmp_path: Path) -> None:
    done = kgwalk("recommend", item_cf, shop.label(0), "-k", "2", "--picture", tmp_path / "why.png")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("(unexplained: by item-cf)") == 2
    assert "item-cf does not walk" in done.stdout
    assert "no picture: nothing in this list has a reason" in done.stderr
    assert not list(tmp_path.iterdir())


def test_pictures(run: Path, shop: Recommendation, tmp_path: Path) -> None:
    flags = ("--picture", tmp_path / "why.svg", "--layout-picture", tmp_path / "layout.svg", "-k", "3")
    done = kgwalk("recommend", run, shop.label(0), *flags)
    assert done.exit_code == 0, done.output
    assert "why.svg" in done.stderr
    why, layout = ((tmp_path / name).read_text() for name in ("why.svg", "layout.svg"))
    assert f"<!-- Why these 3 books for {shop.label(0)} -->" in why
    assert f"<!-- What speaks for these 3 books for {shop.label(0)} -->" in layout
    assert "<!-- has read -->" in why
    assert "<!-- has read -->" in layout


def test_ones_own_sentences(run: Path, shop: Recommendation, tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text("".join(f"{shop.metapath_name(one)}\tTry {{item}}!\n" for one in shop.metapaths))
    done = kgwalk("recommend", run, shop.label(0), "-k", "2", "--templates", path)
    assert done.stdout.count("     Try ") == 2
    path.write_text("reads written_by\tTry {item}!\n")
    assert "mine.tsv:1: Bookshop: metapath 'reads written_by' does not type-check" in refused(
        "recommend", run, shop.label(0), "--templates", path
    )


def test_what_cannot_be_asked_is_refused(run: Path, shop: Recommendation, tmp_path: Path) -> None:
    assert "did you mean" in refused("recommend", run, shop.label(0)[:-1])
    assert "has no book 'no such book'" in refused("recommend", run, "--new-user", "no such book")
    assert "one of the two" in refused("recommend", run)
    assert "one of the two" in refused("recommend", run, shop.label(0), "--new-user", shop.label(shop.items.first))
    assert "x.jpg: cannot tell the format" in refused("recommend", run, "nobody", "--picture", tmp_path / "x.jpg")
    assert "is no run" in refused("recommend", tmp_path / "nowhere", "nobody")
    assert kgwalk("recommend", run, shop.label(0), "-k", "0").exit_code == 2
    every = kgwalk("recommend", run, shop.label(0), "-k", "1000").stdout
    assert "all are listed, 1,000 were asked for." in every


def test_quickstart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def config_for(dataset: str) -> Any:
        return SHORT

    monkeypatch.setattr(Nser, "config_for", staticmethod(config_for))
    monkeypatch.chdir(tmp_path)
    done = kgwalk("quickstart", "Bookshop")
    assert done.exit_code == 0, done.output
    for told in ("1. Train", "2. Evaluate", "3. Recommend", "4. Recommend", "The new reader has read 2 books"):
        assert told in done.stdout
    folder = tmp_path / "runs" / "bookshop-nser-seed0"
    assert {"reasons.png", "layout.png", "run.json", "agent.safetensors"} <= {path.name for path in folder.iterdir()}
    assert kgwalk("recommend", folder, "Jack Lane", "-k", "1").exit_code == 0

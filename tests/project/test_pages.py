"""README and docs say what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from kgwalk.cli.app import app
from kgwalk.data import CARDS, Card, load

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_the_environment_table_has_every_set_with_its_counts(card: Card) -> None:
    row = re.search(rf"^\| `KGWalk-{re.escape(card.name)}` \|.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert row, card.name
    counts = [cell.strip().replace(",", "") for cell in row[0].strip("|").split("|")[2:]]
    expected = [card.entities, card.relations, card.facts, card.horizon]
    if card.embedded:
        made = load(card.name)
        expected = [len(made.entities), len(made.relations), made.graph.num_facts, card.horizon]
    assert [int(cell) for cell in counts] == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_that_pages_name_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_pages_name_exist(page: Path) -> None:
    text = page.read_text()
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    for line in re.findall(r"^kgwalk ([^#\n]*)", shell, re.MULTILINE) + re.findall(r"`kgwalk (\w[^`]*)`", text):
        command: Any = get_command(app)
        for word in line.split():
            if hasattr(command, "commands"):
                assert word in command.commands, f"kgwalk {line}"
                command = command.commands[word]
            elif word.startswith("--"):
                assert word in {name for option in command.params for name in option.opts}, f"kgwalk {line}"


def test_the_readme_example_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    agents = pytest.importorskip("kgwalk.agents")
    config = agents.ReinforceConfig(warm_up_steps=2, steps=2, batch=8, rollouts=2, warm_up_batch=8, beam=8)
    monkeypatch.setattr(agents.Reinforce, "config_for", staticmethod(lambda _: config))
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(code.splitlines()) <= 25
    exec(code, {})
    assert (tmp_path / "runs" / "family").is_dir()

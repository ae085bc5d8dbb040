"""``kgwalk recommenders`` and ``--teacher``, with real models of the Bookshop that have hardly been trained."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from kgwalk import _core
from kgwalk.cli import app
from kgwalk.cli.runs import Run
from kgwalk.data import LabelledRecommendation, Recommendation, bookshop
from kgwalk.envs import ScorerReward
from kgwalk.protocols import FinishedWalks

pytest.importorskip("torch", reason="agents need torch: pip install 'kgwalk[agents]'")

TINY = [
    f"--set={setting}"
    for setting in ("model.dim=4", "model.neighbours=3", "model.depth=2", "epochs=1", "batch_size=512")
]
NSER = [
    f"--set={setting}"
    for setting in (
        "dim=8",
        "hidden=8",
        "batch_size=64",
        "steps=2",
        "validate_every=2",
        "validate_users=20",
        "budget=12",
    )
]
PGPR = [
    f"--set={setting}"
    for setting in ("warm_up_steps=1", "steps=1", "batch=8", "rollouts=2", "warm_up_batch=8", "validate_queries=20")
]
CTR, LISTS = Path("runs/bookshop-kgcn-ctr-seed0"), Path("runs/bookshop-kgcn-lists-seed0")


def kgwalk(*arguments: str | Path) -> Result:
    words = [*(str(argument) for argument in arguments), "--threads", "1"]
    return CliRunner(env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).invoke(app, words)


def done(*arguments: str | Path) -> str:
    found = kgwalk(*arguments)
    assert found.exit_code == 0, found.output
    return found.stdout


def refused(*arguments: str | Path) -> str:
    found = kgwalk(*arguments)
    assert found.exit_code == 2, found.output
    assert len(found.stderr.strip().splitlines()) == 1
    return found.stderr


@pytest.fixture(scope="module")
def shop() -> Recommendation:
    return bookshop()


@pytest.fixture(scope="module", autouse=True)
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with runs of kgcn on the labelled splits of two seeds and on the set's own, where all tests stand."""
    folder, before, threads = tmp_path_factory.mktemp("shop"), Path.cwd(), _core.num_threads()
    os.chdir(folder)
    for seed in ("0", "1"):
        done("recommenders", "train", "Bookshop", "--seed", seed, *TINY)
    done("recommenders", "train", "Bookshop", "--protocol", "lists", *TINY)
    yield folder
    os.chdir(before)
    _core.set_num_threads(threads)


def test_the_note_tells_the_split_and_its_seed(shop: Recommendation) -> None:
    run = Run.load(CTR)
    assert (run.agent, run.seed, run.labelled) == ("kgcn", 0, 0)
    assert run.settings[0] == "negatives=fixed"
    data = run.load_dataset()
    assert isinstance(data, LabelledRecommendation)
    assert data.drawn_by == 0
    own = Run.load(LISTS)
    assert (own.labelled, own.load_dataset().fingerprint) == (None, shop.fingerprint)
    assert own.settings[:2] == ("negatives=fresh", "select=ndcg@10")


def test_notes_older_than_labelled_splits_load(tmp_path: Path) -> None:
    Run("Bookshop", None, "kgcn", 3, (), 1).save(tmp_path)
    note = json.loads((tmp_path / "run.json").read_text())
    del note["labelled"]
    (tmp_path / "run.json").write_text(json.dumps(note))
    assert Run.load(tmp_path).labelled is None
    for wrong in (-1, "0", True, 1.5):
        (tmp_path / "run.json").write_text(json.dumps({**note, "labelled": wrong}))
        with pytest.raises(ValueError, match="'labelled' must be a whole number from 0 or null"):
            Run.load(tmp_path)
    Run("Family", None, "reinforce", 0, (), 1, labelled=0).save(tmp_path)
    with pytest.raises(ValueError, match="Family is no recommendation set"):
        Run.load(tmp_path).load_dataset()


def test_every_command_knows_the_split_of_a_run(shop: Recommendation) -> None:
    user = shop.entities[shop.users.first]
    assert json.loads(done("recommend", CTR, user, "-k", "3", "--json"))["agent"] == "kgcn"
    assert "kgcn on Bookshop test" in done("evaluate", CTR)
    assert "kgcn" in done("recommenders", "attention", CTR, user, shop.label(shop.items.first))


def test_lists_are_learnt_by_a_softmax_where_a_model_can_unless_told_otherwise() -> None:
    train = ("recommenders", "train", "Bookshop", "--model", "svd", "--set", "epochs=1")
    assert "softmax" not in done(*train, "--show-config")
    lists = (*train, "--protocol", "lists")
    assert "softmax" in done(*lists, "--show-config")
    assert "softmax" not in done(*lists, "--set", "objective=pairs", "--show-config")
    assert "softmax" not in done("recommenders", "train", "Bookshop", "--protocol", "lists", "--show-config")
    assert "--set epochs=abc" in refused(*lists, "--set", "epochs=abc", "--set", "epochs=1", "--show-config")

    def settings(folder: str) -> tuple[str, ...]:
        return Run.load(Path(folder)).settings

    pairs, folder = ("--set", "objective=pairs"), "runs/bookshop-svd-lists-seed0"
    done(*lists, *pairs)
    for again in ((), ("--set", "epochs=1", *pairs)):
        done(*train[:-2], "--protocol", "lists", "--resume", *again)
        assert "objective=pairs" in settings(folder)
    assert "begun with other settings" in refused(*lists, "--resume")
    done(*lists, "--restart")
    assert "objective=softmax" in settings(folder)
    done(*lists, "--resume")
    done(*lists, "--resume", "--folder", "not-there-yet")
    assert "objective=softmax" in settings("not-there-yet")


def test_protocols_settle_what_they_are_about() -> None:
    train = ("recommenders", "train", "Bookshop")
    message = refused(*train, "--folder", "other", "--set", "negatives=fresh")
    assert "the protocol has negatives=fixed" in message
    assert "is a run by another protocol" in refused(*train, "--protocol", "ctr-fresh", "--folder", CTR, "--resume")
    assert "is a run by another protocol" in refused("train", "Bookshop", "--agent=kgcn", "--folder", CTR, "--resume")
    assert "--resume goes on" in refused(*train)
    assert "select" in done(*train, "--protocol", "lists", "--show-config")
    assert "no agent 'kgnc'" in refused(*train, "--model", "kgnc")
    for model in ("nser", "transe-dot", "item-cf"):  # of which some mean a number by negatives
        done(*train, "--model", model, "--show-config")
    assert kgwalk(*train, "--resume").exit_code == 0


def test_a_labelled_run_is_measured_by_every_protocol(tmp_path: Path) -> None:
    shown = done("recommenders", "evaluate", CTR, "--save", tmp_path / "report.json")
    assert "kgcn on Bookshop test, labelled by seed 0" in shown
    header = next(line for line in shown.splitlines() if "ctr" in line)
    assert [word for word in header.replace("┃", " ").split() if word] == ["ctr", "topk-all", "topk-100users"]
    for row in ("auc ", "f1 ", "recall@100 "):
        assert row in shown
    saved = json.loads((tmp_path / "report.json").read_text())
    assert saved["labelled"] == 0
    assert "negatives=fixed" in saved["settings"]
    assert set(saved["protocols"]) == {"ctr", "topk-all", "topk-100users"}
    assert 0 <= saved["protocols"]["ctr"]["metrics"]["auc"] <= 1
    assert "negatives=fixed" in " ".join(shown.split())
    shown = done("evaluate", CTR, "--save", tmp_path / "lists.json")
    assert "kgcn on Bookshop test, labelled by seed 0" in " ".join(shown.split())
    assert json.loads((tmp_path / "lists.json").read_text())["labelled"] == 0
    assert "labelled" not in done("evaluate", LISTS, "--save", tmp_path / "own.json")
    assert "labelled" not in json.loads((tmp_path / "own.json").read_text())
    assert "kgwalk evaluate measures it" in refused("recommenders", "evaluate", LISTS)
    assert "ndcg" in done("evaluate", LISTS).lower()


def test_compare_takes_runs_that_are_there(tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in Path("runs").rglob("agent.safetensors") if "kgcn" in str(path)}
    shown = done("recommenders", "compare", "Bookshop", "--models", "kgcn", "--seeds", "0,1", "--out", tmp_path)
    assert {path: path.read_bytes() for path in before} == before
    for word in ("kgcn", "item-cf", "most-popular", "topk-all", "±"):
        assert word in shown
    saved = json.loads((tmp_path / "compare.json").read_text())
    assert saved["seeds"] == [0, 1]
    assert saved["models"]["kgcn"]["seeds"]["1"]["made_by"]["run"] == "runs/bookshop-kgcn-ctr-seed1"
    assert "topk-100users" in saved["models"]["kgcn"]["seeds"]["0"]["protocols"]
    assert (tmp_path / "compare.md").read_text().count("\n| ") == 5
    assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")
    assert "Not as configured: kgcn, seed 0: model.dim=4 " in (tmp_path / "compare.md").read_text()
    altered = saved["models"]["kgcn"]["seeds"]["0"]["made_by"]["altered"]
    assert "epochs=1" in altered
    assert "negatives=fixed" not in altered


def test_compare_refuses_first(tmp_path: Path) -> None:
    compare = ("recommenders", "compare", "Bookshop", "--out", tmp_path)
    assert "no agent 'kgnc'" in refused(*compare, "--models", "kgcn,kgnc")
    assert "expected whole numbers" in refused(*compare, "--seeds", "0,one")
    assert not list(tmp_path.iterdir())


def test_attention_in_words_json_and_as_a_picture(shop: Recommendation, tmp_path: Path) -> None:
    asked = ("recommenders", "attention", CTR, "Otto West", "Thorn Gate")
    lines = done(*asked, "--picture", tmp_path / "attention.png").splitlines()
    assert lines[0] == "What Otto West attends to of Thorn Gate (kgcn):"
    assert any(" % " in line and " → " in line for line in lines[1:])
    assert any(line.startswith(" " * 8) and "^" in line for line in lines), "the second hop, against its relation"
    assert (tmp_path / "attention.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads(done(*asked, "--json"))
    assert told["label"] == "Thorn Gate"
    assert sum(one["share"] for one in told["near"]["shown"]) == pytest.approx(1)
    assert "cannot tell the format" in refused(*asked, "--picture", tmp_path / "a.gif")
    assert "has no book" in refused(*asked[:-1], "Thorn Gaté")
    done("train", "Bookshop", "--agent", "item-cf", "--folder", tmp_path / "item-cf")
    assert "item-cf has no attention" in refused(*asked[:2], tmp_path / "item-cf", *asked[3:])


def test_a_teacher_by_name_is_trained_first(tmp_path: Path) -> None:
    folder, teacher = tmp_path / "nser", Path("runs/bookshop-item-cf-seed7")
    train = ("train", "Bookshop", "--agent", "nser", "--teacher", "item-cf", "--seed", "7", "--folder", folder, *NSER)
    assert "positives" in done(*train, "--show-config")
    assert not teacher.exists()
    done(*train)
    assert Run.load(teacher).seed == 7
    assert Run.load(folder).settings[:2] == (f"teacher={teacher}", "positives=teacher")
    made = (teacher / "agent.safetensors").read_bytes()
    assert kgwalk(*train, "--restart").exit_code == 0
    assert (teacher / "agent.safetensors").read_bytes() == made
    assert kgwalk("train", "Bookshop", "--agent=nser", "--seed=7", "--folder", folder, "--resume").exit_code == 0


def test_a_teacher_by_path(tmp_path: Path) -> None:
    done("train", "Bookshop", "--agent", "pgpr", "--teacher", LISTS, "--folder", tmp_path / "pgpr", *PGPR)
    assert Run.load(tmp_path / "pgpr").settings[:2] == (f"teacher={LISTS}", "teacher_reward=1")
    shown = done("train", "Bookshop", "--agent=pgpr", "--teacher", LISTS, "--set=teacher_reward=0.5", "--show-config")
    assert "0.5" in next(line for line in shown.splitlines() if "teacher_reward" in line)


@pytest.mark.parametrize(
    ("agent", "teacher", "message"),
    [
        ("kgcn", "item-cf", "kgcn learns from no teacher; nser and pgpr can"),
        ("nser", "pgpr", "pgpr has no scorer to learn from; there are "),
        ("nser", "kgnc", "neither an agent nor the file or folder of a scorer"),
    ],
)
def test_teachers_that_cannot_teach(agent: str, teacher: str, message: str) -> None:
    assert message in refused("train", "Bookshop", "--agent", agent, "--teacher", teacher, "--folder", "no")
    assert not Path("no").exists()


@pytest.mark.parametrize("flags", [["nser", *NSER], ["pgpr", *PGPR]], ids=lambda flags: flags[0])
def test_a_teacher_of_other_interactions_is_refused(flags: list[str]) -> None:
    train = ("train", "Bookshop", "--folder", "no", "--teacher", CTR, "--agent", *flags)
    assert "scorer kgcn was fitted on facts of Bookshop with" in refused(*train)
    assert not Path("no").exists()


def test_a_recommender_has_no_vectors_for_pgpr_to_begin_with() -> None:
    train = ("train", "Bookshop", "--agent=pgpr", "--teacher", LISTS, "--folder", "no")
    assert "start_from_teacher: kgcn has no vectors of all entities" in refused(*train, "--set=start_from_teacher=true")
    assert "kgcn cannot prune: it scores what is recommended only" in refused(*train, "--set=prune=5")
    assert not Path("no").exists()


def test_it_rewards_in_environments(shop: Recommendation) -> None:
    for reward in ("shaped", "teacher"):
        options = {"reward": {reward: 1.0}, reward: str(LISTS), "num_envs": 8}
        env = gym.make_vec("KGWalk-Bookshop", **options)
        env.reset(seed=0)
        paid = []
        for _ in range(12):
            actions = env.action_space.sample()
            paid += env.step(actions * 0 + 1)[1].tolist()
        env.close()
        assert 0 < max(paid) <= 1
        with pytest.raises(ValueError, match="scorer kgcn was fitted on facts of Bookshop with"):
            gym.make_vec("KGWalk-Bookshop", **{**options, reward: str(CTR)})


def test_a_walk_that_ends_at_no_item_earns_nothing(shop: Recommendation) -> None:
    reward = ScorerReward.make(shop, str(LISTS))
    other = next(kind for kind in shop.types if kind not in (shop.users, shop.items))
    ends = np.array([[0, shop.items.first], [0, other.first], [0, 1]], np.int32)
    walks = FinishedWalks(
        np.arange(3, dtype=np.int32), np.arange(3), ends, np.zeros((3, 1), np.int32), np.zeros(3, np.bool_)
    )
    paid = reward(walks, np.array([[0, shop.interact, -1]] * 3, np.int32))
    assert 0 < paid[0] < 1
    assert paid[1:].tolist() == [0, 0]


def test_it_re_ranks_and_fills(tmp_path: Path) -> None:
    walker = tmp_path / "nser"
    done("train", "Bookshop", "--agent", "nser", "--folder", walker, *NSER)
    report = tmp_path / "report.json"
    done("evaluate", walker, "--save", report)
    plain = json.loads(report.read_text())
    done("evaluate", walker, "--rerank", LISTS, "--fill", LISTS, "--save", report)
    found = json.loads(report.read_text())
    assert found["agent"] == "nser+kgcn"
    assert found["metrics"]["recall@10"] != plain["metrics"]["recall@10"]
    assert found["metrics"]["filled"]["recall@10"] >= found["metrics"]["recall@10"]
    assert "kgcn" in done("recommend", walker, "Otto West", "-k", "200", "--fill", LISTS)
    for flag in ("--rerank", "--fill"):
        assert "was fitted on facts of Bookshop with" in refused("evaluate", walker, flag, CTR)


def test_only_agents_that_recommend_are_trained() -> None:
    told = refused("recommenders", "train", "Bookshop", "--model", "reinforce")
    assert "reinforce answers queries of a knowledge graph; these recommend: cke, " in told

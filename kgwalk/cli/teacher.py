"""``--teacher``: a scorer that another agent learns from, named or by its path."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from kgwalk.cli.runs import import_agents

#: What makes an agent ask its teacher, as far as nothing else does.
_ASKS = {"nser": "positives=teacher", "pgpr": "teacher_reward=1"}


class Teacher(NamedTuple):
    """What an agent learns from.

    Attributes:
        settings: of the agent's configuration, as --set takes them.
        name: of an agent that is to be trained first; None if the path of a scorer was given.
        folder: of its run, or the path.
    """

    settings: tuple[str, ...]
    name: str | None
    folder: Path


def choose(agent: str, teacher: str, folder_of: Callable[[str], Path]) -> Teacher:
    """What ``--teacher`` stands for; a name comes before a path (``./kgcn`` is always a path).

    Args:
        agent: name of the agent that learns.
        teacher: name of an agent that has a scorer, or the path of a scorer.
        folder_of: where the run of an agent goes.

    Raises:
        KeyError: there is no such agent.
        ValueError: the agent has no teacher, or the teacher no scorer.
        FileNotFoundError: neither an agent nor a path.
    """
    agents = import_agents()
    config = agents.get(agent).config_for("")
    if "teacher" not in {field.name for field in dataclasses.fields(config)}:
        raise ValueError(f"--teacher {teacher}: {agent} learns from no teacher; {' and '.join(sorted(_ASKS))} can")
    if teacher in agents.names():
        if not agents.has_scorer(teacher):
            others = ", ".join(name for name in agents.names() if agents.has_scorer(name))
            raise ValueError(f"--teacher {teacher}: {teacher} has no scorer to learn from; there are {others}")
        name, folder = teacher, folder_of(teacher)
    else:
        name, folder = None, Path(teacher)
        if not folder.exists():
            raise FileNotFoundError(f"--teacher {teacher}: neither an agent nor the file or folder of a scorer")
    return Teacher((f"teacher={folder}", *filter(None, [_ASKS.get(agent)])), name, folder)

"""Trainable: what all agents that are trained share, and what all of them refuse."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from kgwalk.data import Dataset, Recommendation

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

AnyConfig = TypeVar("AnyConfig")


class Training(Protocol):
    """A training before its first step, as ``Trainable.trainer`` gives it."""

    def run(self, *, resume: bool) -> object:
        """Train, and save the agent that was best on valid."""


class Trainable(ABC, Generic[AnyConfig]):
    """An agent with a training; its subclass says how that goes, and how what it saved is read.

    Attributes:
        name: what the registry calls it.
        Config: a frozen dataclass of numbers.
    """

    name: str
    Config: ClassVar[type[Any]]

    @classmethod
    @abstractmethod
    def config_for(cls, dataset: str) -> AnyConfig:
        """The configuration that was chosen on a dataset's valid split; the defaults for an unknown name."""

    @classmethod
    @abstractmethod
    def trainer(cls, dataset: Dataset, config: AnyConfig, folder: Path, *, seed: int = 0) -> Training:
        """What ``fit`` runs, before its first step; nothing is written yet.

        Raises:
            ValueError: a dataset or a configuration that it cannot be trained with; a seed out of range.
        """

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, fingerprint: str | None = None) -> Self:
        """The agent in ``folder``.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, or ``fingerprint`` is given and is not that of the dataset it was trained on.
        """

    @classmethod
    def fit(
        cls, dataset: Dataset, config: AnyConfig, folder: Path, *, resume: bool = False, seed: int = 0, **given: Any
    ) -> Self:
        """Train on ``dataset`` and give the agent that was best on valid; it is saved in ``folder`` too.

        Args:
            dataset: whose training facts are learnt from.
            config: numbers; ``config_for(dataset.name)`` has those chosen on valid.
            folder: for checkpoints, curves and the agent.
            resume: go on with what is there.
            seed: of all that is drawn.
            given: what else its ``trainer`` takes.

        Raises:
            FileExistsError: ``folder`` holds a checkpoint or an agent and ``resume`` was not asked for.
            ValueError: as ``trainer``; what is there is damaged or of another run; the loss is not finite.
        """
        cls.trainer(dataset, config, folder, seed=seed, **given).run(resume=resume)
        return cls.load(folder, dataset.fingerprint)


def check_seed(seed: int) -> None:
    """Refuse a seed that not every generator takes.

    Raises:
        ValueError: it is not in [0, 2^31).
    """
    if not 0 <= seed < 1 << 31:
        raise ValueError(f"seed must be from 0 to {(1 << 31) - 1}, got {seed}")


def recommendation_for(name: str, dataset: Dataset) -> Recommendation:
    """``dataset``, as one that the agent of that name can recommend from.

    Raises:
        ValueError: it has no users and items.
    """
    if not isinstance(dataset, Recommendation):
        raise ValueError(f"{name} recommends items to users, and {dataset.name} is no recommendation set")
    return dataset

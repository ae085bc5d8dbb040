"""The small datasets of the environments' tests."""

from tests.envs.conftest import shop, toy

__all__ = ["shop", "toy"]

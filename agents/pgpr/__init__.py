"""The PGPR-style agent: REINFORCE over walks from users to items."""

from .agent import Pgpr
from .config import PgprConfig
from .policy import PgprPolicyConfig

__all__ = ["Pgpr", "PgprConfig", "PgprPolicyConfig"]

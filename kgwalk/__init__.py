"""kgwalk: Gymnasium for reasoning over knowledge graphs.

Importing it registers the environment ids and nothing else: no torch, no file, no seed.
"""

from __future__ import annotations

from kgwalk._core import Graph
from kgwalk.envs.registration import register_environments

__version__ = "0.1.0"
__all__ = ["Graph", "__version__"]

register_environments()

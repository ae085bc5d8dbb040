"""The command line, one module per command group.

Commands import what they need when they run: `kgwalk --help` and `kgwalk data list` answer at once, and neither they
nor ``import kgwalk.cli`` load torch.
"""

from __future__ import annotations

from kgwalk.cli.app import app, main

__all__ = ["app", "main"]

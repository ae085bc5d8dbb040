"""Hypothesis without a deadline: how long one example takes says nothing on a busy machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("kgwalk", deadline=None)
settings.load_profile("kgwalk")

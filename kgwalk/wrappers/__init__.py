"""Gymnasium wrappers that more than one kind of agent needs."""

from kgwalk.wrappers.trail import Trail

__all__ = ["Trail"]

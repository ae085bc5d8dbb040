"""Policies: what scores the moves of a walker."""

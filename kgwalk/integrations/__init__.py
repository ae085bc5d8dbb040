"""Adapters to other libraries. Each module needs the extra of its name; importing this package needs none."""

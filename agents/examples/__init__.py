"""Short scripts, each a library's way to use kgwalk: ``python -m kgwalk.agents.examples.<name> --help``."""

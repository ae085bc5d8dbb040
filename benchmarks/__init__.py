"""Speed and quality figures: each module is a command that prints a table and, with ``--save``, writes JSON."""

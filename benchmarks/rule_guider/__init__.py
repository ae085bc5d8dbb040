"""The tables of the RuleGuider paper (Lei et al. 2020), with kgwalk's RuleGuider."""

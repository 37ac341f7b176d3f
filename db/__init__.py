"""The memory: models with their rules, queries, migrations; the only place that knows SQL."""

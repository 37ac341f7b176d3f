"""The rules in motion: one handler a command, and the jobs of the clock."""

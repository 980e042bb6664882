"""The only decider: who is told of each patient message, and why."""

"""History on demand: a range read once, with a state of its own, into a target or a pipe."""

"""Privacy requests: access, erasure, opt-out."""

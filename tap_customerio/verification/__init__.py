"""Loaded deliveries beside Customer.io's own counts."""

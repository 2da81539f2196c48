"""What can go wrong, to order."""

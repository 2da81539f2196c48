"""Singer tap for Customer.io."""

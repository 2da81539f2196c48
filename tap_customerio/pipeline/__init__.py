"""`tap | target`: with the tap in this process, or as two processes."""

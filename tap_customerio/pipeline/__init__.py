"""`tap | target`, with the tap in this process or in its own."""

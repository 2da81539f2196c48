"""The sandbox as HTTP servers."""

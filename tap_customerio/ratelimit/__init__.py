"""The request rate limit, for one process or shared by several."""

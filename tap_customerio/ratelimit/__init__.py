"""How many requests may be sent, and when; shared by processes where wanted."""

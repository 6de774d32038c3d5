"""The process in which one stream becomes intents."""

"""The web server: who may ask, what is asked, and what goes out to clients."""

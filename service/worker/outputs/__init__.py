"""Volition's own outputs: each module holds one kind (`volition.service.sessions.outputs`)."""

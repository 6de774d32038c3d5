"""From samples to intents, as pure computation: no I/O, no clock, no thread."""

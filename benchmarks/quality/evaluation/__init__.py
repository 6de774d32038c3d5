"""How a session's pipeline is scored on recorded data, by the protocol of the data set."""

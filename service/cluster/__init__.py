"""Sessions and gateways on many hosts, joined by NATS (``docs/cluster.md``)."""

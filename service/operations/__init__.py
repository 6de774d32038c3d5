"""What runs and watches the service on a machine: its systemd unit, its dashboard, its alerts."""

"""From features to a velocity: one module a method, and the mathematics that they share."""

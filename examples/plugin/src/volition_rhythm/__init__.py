"""What a package beside Volition may add to it: one module for each kind."""

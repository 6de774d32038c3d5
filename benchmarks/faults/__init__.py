"""What goes wrong, made for real and judged from outside."""

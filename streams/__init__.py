"""Everything that touches a sample before or after it is decoded."""

"""What was learned: artefacts with a manifest, and the recipes that made them."""

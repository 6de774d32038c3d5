"""Recipes that train networks and export them; they alone need the extra ``train``."""

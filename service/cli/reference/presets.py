"""The page of the configurations that ship."""

from __future__ import annotations

from volition.service.sessions.config import preset_names, preset_text

HEAD = """# Presets

Configurations that ship. Whatever takes a session file takes their names too; `volition presets
--show NAME > session.yaml` writes one to change.
"""


def page() -> str:
    """Write the page."""
    return HEAD + "".join(
        f"\n## {name}\n\n```yaml\n{preset_text(name).rstrip()}\n```\n" for name in preset_names()
    )

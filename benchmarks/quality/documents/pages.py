"""The pages whose tables are made of evaluations."""

from __future__ import annotations

from volition.benchmarks.quality.documents import artifacts, kinematics, ssvep
from volition.benchmarks.quality.documents.runs import Page

PAGES: dict[str, Page] = {page.name: page for page in (ssvep.PAGE, kinematics.PAGE, artifacts.PAGE)}

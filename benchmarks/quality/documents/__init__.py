"""Tables of the documentation, made of evaluations: one command measures, one file keeps.

A page's module (`ssvep`, `kinematics`, `artifacts`) names its runs, each an evaluation that anybody
can repeat, and its tables. ``volition bench tables PAGE --data FOLDER`` runs them, keeps what the
tables need of the answers in ``results/PAGE.json``, and writes the tables into ``docs/PAGE.md``
between marks. A test holds the page to what is kept.
"""

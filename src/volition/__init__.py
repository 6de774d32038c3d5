"""Volition: neural samples in, intents out.

The rooms lie in the folders at the top of the repository; here are the links that make them one
package, and the few words that all of them share.
"""

import os

if os.path.isfile(os.path.join(os.path.dirname(__file__), "streams")):  # noqa: PTH113, PTH118, PTH120 - each start pays for what is imported here
    raise ImportError(
        "this checkout of Volition has no links: src/volition/streams is a file that holds a "
        "folder's name. Have git make them: 'git config core.symlinks true', then 'git checkout -- "
        "src/volition'. On Windows that needs the developer mode or an administrator's shell; a "
        "wheel has no links and needs neither."
    )

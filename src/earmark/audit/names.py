"""Names of files that look as if the files belonged together."""

from collections.abc import Iterator

from earmark.audit.findings import Finding
from earmark.data.manifest import Manifest
from earmark.data.names.likely_groups import guess_groups


def name_findings(manifest: Manifest) -> Iterator[Finding]:
    """A warning if no groups are given and the names of files look as if there were some.

    Args:
        manifest: The data.
    """
    guess = guess_groups(manifest)
    if guess:
        yield Finding("likely_groups", "warning", guess.names, str(guess))

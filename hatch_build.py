"""Project links of a release.

The repository's address is stated nowhere: workflows set REPOSITORY_URL to the one they run in.
"""

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class ProjectLinks(MetadataHookInterface):
    """Derive `project.urls` from REPOSITORY_URL; without it there are none."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the links."""
        if repository := os.environ.get("REPOSITORY_URL", "").rstrip("/"):
            metadata["urls"] = {
                "Repository": repository,
                "Documentation": f"{repository}/tree/main/docs",
                "Changelog": f"{repository}/blob/main/CHANGELOG.md",
                "Issues": f"{repository}/issues",
                "Security": f"{repository}/security/policy",
            }

"""A local Customer.io App API over real HTTP, with a made-up workspace."""

from tap_customerio.sandbox.buckets import Quirks
from tap_customerio.sandbox.clock import Clock
from tap_customerio.sandbox.server import Sandbox, serve
from tap_customerio.sandbox.workspace import Workspace

__all__ = ["Clock", "Quirks", "Sandbox", "Workspace", "serve"]

"""A local Customer.io over real HTTP, with a made-up workspace.

It answers for what a key of the App API can read of messages and what sends them, metrics, people,
segments, activities, objects, subscriptions and the lists of a workspace, and for the deletions and
suppressions of the Track API; all other addresses are unknown to it. It shows what the live API was
seen or is documented to do, not how it does it: no delivery has a body, and people change only by
hand or in a workspace with churn.
"""

from tap_customerio.sandbox.faults.behaviours import Behaviours
from tap_customerio.sandbox.faults.injection import Faults
from tap_customerio.sandbox.server.app import Sandbox, serve
from tap_customerio.sandbox.server.clock import Clock
from tap_customerio.sandbox.world.workspace import Workspace

__all__ = ["Behaviours", "Clock", "Faults", "Sandbox", "Workspace", "serve"]

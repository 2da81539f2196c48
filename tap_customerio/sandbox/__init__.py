"""A local imitation of Customer.io over HTTP, with a generated workspace.

It serves the App API's endpoints for messages and their senders, metrics, people, segments,
activities, objects, subscriptions and lists of a workspace, and the Track API's deletions and
suppressions; other paths return 404. It imitates observed or documented results of the live API,
not its implementation: deliveries have no body, and people change only through calls or in a
workspace with churn.
"""

from tap_customerio.sandbox.faults.behaviours import Behaviours
from tap_customerio.sandbox.faults.injection import Faults
from tap_customerio.sandbox.server.app import Sandbox, serve
from tap_customerio.sandbox.server.clock import Clock
from tap_customerio.sandbox.world.workspace import Workspace

__all__ = ["Behaviours", "Clock", "Faults", "Sandbox", "Workspace", "serve"]

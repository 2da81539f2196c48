"""Estimates slices, requests and time of a backfill from a few requests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_customerio.backfill.probing import ProbingClient
from tap_customerio.estimates.estimate import Estimate, estimate_stream
from tap_customerio.estimates.samples import Samples
from tap_customerio.streams.messages import Messages
from tap_customerio.streams.segments_and_consents import Activities
from tap_customerio.windows import Window, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_customerio.backfill.job import Job
    from tap_customerio.tap import TapCustomerio


@dataclass
class Plan:
    """The estimate for all streams, at `rate` requests a second; it took `probes` requests."""

    job: Job
    estimates: Sequence[Estimate]
    rate: float
    shared: int
    probes: int

    @classmethod
    def of(cls, tap: TapCustomerio, job: Job, client: ProbingClient, samples: Samples) -> Plan:
        """Send the probes; requests that several streams need count as shared.

        Raises:
            TapError: Nothing can be estimated, for example with a wrong key.
        """
        names = [name for name in job.streams if name not in tap.sync_run.progress.done]
        streams: list[Any] = [tap.streams[name] for name in names]
        tap.use(client)
        before = client.requests.total()
        if any(stream.has_time_range or stream.replication_key is None for stream in streams):
            _ = client.present
        # Probes are not part of the run, unless the run sends the same requests.
        streams.sort(key=lambda stream: isinstance(stream, Messages | Activities))
        probing = [stream for stream in streams if isinstance(stream, Messages | Activities)]
        found = {s.name: estimate_stream(s, samples) for s in streams if s not in probing}
        for stream in probing:
            if isinstance(stream, Messages):
                stream.read_sources()
        shared, sent = client.requests.total() - before, client.sent.total()
        found |= {stream.name: estimate_stream(stream, samples) for stream in probing}
        estimates = [found[name] for name in names]
        return cls(job, estimates, client.limiter.rate, shared, client.sent.total() - sent)

    @classmethod
    def of_all(cls, job: Job, taps: Sequence[TapCustomerio], jobs: Sequence[Job]) -> Plan:
        """The plan of a backfill in shards; probes are sent once.

        Each shard requests the shared lists again when it runs.

        Raises:
            TapError: Nothing can be estimated, for example with a wrong key.
        """
        reach = Window(
            min(job.shard_range.start for job in jobs), max(job.shard_range.end for job in jobs)
        )
        settings = taps[0].settings
        client = ProbingClient(settings)
        samples = Samples(client, reach, settings.concurrency)
        plans = [
            cls.of(tap, job, client.uncached(), samples)
            for tap, job in zip(taps, jobs, strict=True)
        ]
        found: dict[str, Estimate] = {}
        for estimate in (estimate for plan in plans for estimate in plan.estimates):
            found.setdefault(estimate.stream, Estimate(estimate.stream, 0, 0, 0)).add(estimate)
        shared, probes = (sum(getattr(p, name) for p in plans) for name in ("shared", "probes"))
        return cls(job, list(found.values()), plans[0].rate, shared, probes)

    @property
    def requests(self) -> int:
        """The sum of all known requests."""
        return self.shared + sum(estimate.requests or 0 for estimate in self.estimates)

    @property
    def is_complete(self) -> bool:
        """Whether these are all requests, not only a lower bound."""
        return all(estimate.is_complete for estimate in self.estimates)

    def seconds(self, requests: int) -> int:
        """Seconds for these requests at the rate limit."""
        return math.ceil(requests / self.rate)

    def as_json(self) -> dict[str, Any]:
        """The plan as a JSON object."""
        edges = {"from": self.job.shard_range.start, "to": self.job.shard_range.end}
        return {
            **{name: rfc3339(moment) for name, moment in edges.items()},
            "shard": self.job.identity["shard"],
            "requests": self.requests,
            "seconds": self.seconds(self.requests),
            "requests_per_second": round(self.rate, 2),
            "shared_requests": self.shared,
            "probes": self.probes,
            "complete": self.is_complete,
            "streams": [vars(estimate) for estimate in self.estimates],
        }

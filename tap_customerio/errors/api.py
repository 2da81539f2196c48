"""Sentences about responses of the App API and the Track API."""

from __future__ import annotations

from tap_customerio.errors.base import FatalError, ForbiddenError, RequestError, TapError
from tap_customerio.wording import duration


def unauthorized(place: str) -> FatalError:
    """401, and no other region accepts the key."""
    return FatalError(
        f"app_api_key was refused by {place} (401): set it to an App API key of this workspace, "
        "from Account Settings > API Credentials > App API Keys. A Track API key does not work "
        "here, and if the key has an IP allow-list, this machine's address must be on it."
    )


def other_region(region: str, right: str) -> FatalError:
    """401, but the other region accepts the key."""
    return FatalError(
        f"region is {region!r}, but this app_api_key belongs to {right!r}: set region to {right!r}."
    )


def forbidden(request: str, status: int) -> ForbiddenError:
    """403, or 401 for this request alone."""
    return ForbiddenError(
        f"app_api_key may not read {request} ({status}): give the key a role or scope that "
        "allows it, check its IP allow-list, or deselect the streams that need it.",
        request,
        f"status {status}",
    )


def unknown_region(place: str) -> FatalError:
    """Region `auto`, but several regions are possible."""
    return FatalError(
        f"region is 'auto', but it is not clear which of {place} accepts app_api_key: set "
        "region to 'us' or 'eu', and check the key's role and its IP allow-list."
    )


def absent(place: str, reason: str, seconds: float) -> FatalError:
    """No server responds, or another one does."""
    return FatalError(
        f"No Customer.io API responds at {place}, after {duration(seconds)} of trying: {reason}. "
        "Check api_url or region, the network, and the proxy if there is one."
    )


def bad_filter(status: int) -> TapError:
    """The people search rejects customers_filter."""
    return TapError(
        f"The API refused customers_filter with status {status}: write it as for the "
        'people search, such as {"attribute": {"field": "plan", "operator": "eq", "value": "pro"}}.'
    )


def redirected(request: str, status: int) -> FatalError:
    """3xx: the key must not be sent to another host."""
    return FatalError(
        f"{request} was redirected (status {status}): set api_url, or for the Track "
        "API track_api_url, to the final address."
    )


def redirected_alone(request: str, status: int) -> RequestError:
    """3xx for this request alone."""
    return RequestError(
        f"{request} was redirected (status {status}), while other requests were not. The tap "
        "does not send the key to another address; please report it.",
        request,
        f"status {status}",
    )


def proxy_login(place: str) -> FatalError:
    """407: a proxy between tap and API."""
    return FatalError(
        f"A proxy in front of {place} requires a login (407): put the login into the "
        "environment variable HTTPS_PROXY, or let the proxy pass this address."
    )


def bad_proxy(place: str) -> FatalError:
    """The environment names a proxy with an invalid or unsupported URL."""
    return FatalError(
        f"The environment variable HTTPS_PROXY or ALL_PROXY names no usable proxy for {place}: "
        "write http://host:port; socks5://host:port needs 'pip install pysocks'."
    )


def bad_address(place: str) -> FatalError:
    """The URL is invalid."""
    return FatalError(f"Setting api_url is {place!r}, which is not a valid address: check it.")


def retry_after_too_long(request: str, seconds: float) -> FatalError:
    """Retry-After is longer than a run should wait."""
    return FatalError(
        f"The API asks to wait {duration(seconds)} before {request} is tried again. Run "
        "again after that to continue from the last bookmark."
    )


def gave_up(request: str, reason: str, seconds: float) -> FatalError:
    """Transient errors for too long, for all requests."""
    return FatalError(
        f"Gave up on {request} after {duration(seconds)} of trying: {reason}. The API does "
        "not respond to other requests either: run again later to continue from the last "
        "bookmark."
    )


def closed(request: str) -> FatalError:
    """The run ended before the request."""
    return FatalError(f"{request} is not tried again, because the run has ended.")


def untrusted(place: str) -> FatalError:
    """TLS failed."""
    return FatalError(
        f"The TLS certificate of {place} cannot be verified: check the machine's clock and "
        "certificates, or the proxy in between."
    )


def no_certificates(path: str) -> FatalError:
    """The environment names certificates that do not exist."""
    return FatalError(
        f"The environment variable REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names {path}, which does "
        "not exist: correct or unset it."
    )


def no_date(place: str) -> FatalError:
    """No Date header, so that the present is unknown."""
    return FatalError(
        f"{place} responds without a Date header: api_url must point to the Customer.io App API "
        "or to a proxy that passes its headers on."
    )


def clock_went_back(place: str) -> FatalError:
    """Bookmarks use the API's clock, so it must be right."""
    return FatalError(
        f"The clock of {place} went back by more than a minute during the run, or a proxy "
        "responds from a cache: run again later to continue from the last bookmark."
    )


def wrong_clock(request: str) -> RequestError:
    """Responses of one path have no Date or an old one, perhaps from a cache."""
    return RequestError(
        f"The responses to {request} have no current Date header, while other responses do: "
        "perhaps a proxy responds from a cache. Run again later.",
        request,
        "a response without a current Date header",
    )


def too_large(request: str, most: int) -> TapError:
    """A response is larger than any valid one."""
    return TapError(
        f"The response to {request} is larger than {most >> 20} MiB, the most that this tap "
        "reads: please report it; deselecting the stream lets the others run."
    )


def unreadable_response(request: str) -> TapError:
    """A response is not JSON that targets could store."""
    return TapError(
        f"The response to {request} nests too deeply, or holds a number of thousands of digits: "
        "please report it; deselecting the stream lets the others run."
    )


def invalid_member(request: str, name: str, expected: str) -> TapError:
    """A member of a response has an unexpected type."""
    return TapError(
        f"The response to {request} has a {name!r} that is not a valid {expected}; the API may "
        "have changed: please report it; deselecting the stream lets the others run."
    )


def bad_identifier() -> TapError:
    """An identifier from the API would change the path of a request."""
    return TapError(
        "The API returned an identifier that cannot be part of an address, such as '..': "
        "please report it; deselecting the stream lets the others run."
    )


def missing_rows(request: str, key: str) -> TapError:
    """A response lacks the member with the rows."""
    return TapError(
        f"The response to {request} has no {key!r}: either api_url is not the Customer.io App "
        "API, or the API has changed: please report it."
    )


def cursor_loop(request: str) -> TapError:
    """Pages of a list repeat."""
    return TapError(
        f"The pages of {request} repeat or never end: the API returned a page or a page "
        "token twice, or only empty pages. Run again to continue from the last bookmark."
    )


def not_on_plan(request: str) -> TapError:
    """404 for a whole list: the plan does not include it."""
    return TapError(
        f"The API has nothing at {request} (404): the account's plan probably does not "
        "include it; ask Customer.io, or deselect the streams that need it."
    )


def track_unauthorized(place: str) -> TapError:
    """401 from the Track API."""
    return TapError(
        f"site_id and track_api_key were refused by {place} (401): take both from Account "
        "Settings > API Credentials > Tracking API Keys; an App API key does not work there."
    )


def track_unreachable(place: str, reason: str) -> TapError:
    """The Track API does not respond."""
    return TapError(
        f"The Track API at {place} did not respond as expected ({reason}): check "
        "track_api_url, the network and its proxies, or try again later."
    )


def no_track() -> TapError:
    """The credentials of the Track API are missing."""
    return TapError(
        "Settings site_id and track_api_key are missing: set both, from Account Settings > "
        "API Credentials > Tracking API Keys of the same workspace. The privacy commands "
        "need them."
    )


def track_not_local(api_url: str, host: str) -> TapError:
    """A sandbox's App API with the real Track API could erase people of a real account."""
    return TapError(
        f"Setting api_url is {api_url!r}, on this machine, but track_api_url is missing: set it "
        f"to the sandbox's second address, or to {host} if api_url is a proxy."
    )


def track_elsewhere(reason: str) -> TapError:
    """The credentials belong to another region, account or workspace."""
    return TapError(
        f"site_id and track_api_key belong to {reason}: take both from the workspace of "
        "app_api_key."
    )


def clock_wrong(ahead: int) -> TapError:
    """The local clock is wrong by some seconds; the tap uses the API's clock."""
    return TapError(
        f"This machine's clock is {duration(abs(ahead))} "
        f"{'ahead of' if ahead > 0 else 'behind'} Customer.io's: correct it. The tap uses "
        "the API's clock, so no data is lost, but schedules and certificates use this one."
    )

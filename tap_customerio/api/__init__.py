"""The App API and the Track API: requests, responses, retries, pagination."""

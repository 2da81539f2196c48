"""The App API and the Track API: requests, answers, retries, pages."""

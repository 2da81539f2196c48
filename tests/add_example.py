"""Make everything that follows from the streams: recorded examples and all generated pages.

    python tests/add_example.py [snippets] [--api-url https://api.customer.io]

Run it with the name of a new list, after adding the stream's class, its path in tests/contracts and
its rows in the sandbox. Without a name, after any change of a schema, it reads the examples again.
The example comes from the sandbox or, scrubbed, from a real account. The key of that account is in
CUSTOMERIO_APP_API_KEY.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from record_cassettes import record, write_records

from tap_customerio.streams import all_streams

TESTS = Path(__file__).parent
GENERATORS = (
    *("test_catalog.py", "stream_table.py", "column_reference.py", "model_reference.py"),
    *("transform/staging.py", "hub_definition.py", "benchmarks/request_counts.py"),
)


def main() -> None:
    """Record the example of a new stream, and renew all others and the pages."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    names = sorted(stream.name for stream in all_streams())
    parser.add_argument("stream", nargs="?", choices=names, help="A new stream to record.")
    parser.add_argument("--api-url", help="Base address of a real account's App API.")
    arguments = parser.parse_args()
    if arguments.stream:
        record([arguments.stream], arguments.api_url)
    for name in names:
        write_records(name)
    for generator in GENERATORS:
        subprocess.run([sys.executable, str(TESTS / generator)], check=True)
    sys.stderr.write("All examples and pages are up to date: see git status, then run the tests.\n")


if __name__ == "__main__":
    main()

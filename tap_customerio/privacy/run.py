"""Several requests in one run, one result line each; a failed request does not stop the others."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tap_customerio import errors
from tap_customerio.privacy.erasure_record import JOURNAL
from tap_customerio.privacy.evidence import (
    AGAIN,
    EXIT_CODES,
    FAILED,
    MEANINGS,
    OPT_UNPROVEN,
    UNPROVEN,
    Outcome,
    digest,
    utc_now,
    worst,
)
from tap_customerio.privacy.folder import append
from tap_customerio.privacy.identity import Request, masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tap_customerio.privacy.folder import Folder

T = TypeVar("T")

RESULTS = "results.csv"
SUMMARY = "summary.txt"
COLUMNS = (
    *("finished_at", "type", "identifier", "people", "outcome", "reason", "folder", "hash", "line"),
)
_MOST_LINES = 20
_PAIR = 2


class Line(NamedTuple):
    """A line of the input: its request, or its error."""

    number: int
    request: Request | None
    error: str = ""

    @property
    def masked(self) -> str:
        """The line in a form that a terminal may show."""
        if self.request is None:
            return f"line {self.number}"
        return f"{self.request.kind} {masked(*self.request)}"


def read_lines(path: Path) -> list[Line]:
    """Requests of a CSV file with type and value per line; the heading is optional.

    Raises:
        TapError: The file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise errors.commands.not_utf8(str(path)) from None
    except OSError as error:
        raise errors.privacy.unreadable_input(str(path), error.strerror or "") from None
    delimiter = next((sign for sign in text if sign in ",;"), ",")
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise errors.privacy.unreadable_input(str(path), str(error)) from None
    if rows and [cell.strip().lower() for cell in rows[0][1]] == ["type", "value"]:
        del rows[0]
    return [_line(number, row) for number, row in rows]


def _line(number: int, row: Sequence[str]) -> Line:
    if len(row) != _PAIR:
        return Line(number, None, f"Line {number} does not have the form type,value.")
    try:
        return Line(number, Request.of(row[0].strip().lower(), row[1]))
    except errors.TapError as error:
        return Line(number, None, f"Line {number}: {error}")


class Run:
    """The requests of a run, in parallel; each result is written to disk at once."""

    def __init__(
        self, folder: Folder, key: bytes, lines: Sequence[Line], *, is_batch: bool
    ) -> None:
        """Skip requests that an earlier run has finished."""
        self._folder, self._key, self._is_batch = folder, key, is_batch
        earlier = self._earlier()
        unique: dict[str, Line] = {}
        self._numbers: dict[str, list[str]] = {}
        for line in lines:
            unique.setdefault(self.hash(line), line)
            self._numbers.setdefault(self.hash(line), []).append(str(line.number))
        done = {
            name: earlier[name]["outcome"]
            for name, line in unique.items()
            if name in earlier and self._is_done(line, earlier[name]["outcome"])
        }
        self.todo = [line for name, line in unique.items() if name not in done]
        self.finished = [line for name, line in unique.items() if name in done]
        self._last, self._outcomes = earlier, done

    @property
    def outcome(self) -> str:
        """The most important outcome of all requests."""
        return worst(self._outcomes.values())

    def hash(self, line: Line) -> str:
        """The hash of a request in results and folder names."""
        return digest(self._key, *(line.request or ("line", str(line.number))))

    def place(self, line: Line) -> Folder:
        """The folder of a request; a single request has no subfolder."""
        return self._folder.within(self.hash(line)[:16]) if self._is_batch else self._folder

    def record(self, line: Line, result: Outcome) -> None:
        """Write the outcome of a request to disk, unless its last line is the same."""
        name = self.hash(line)
        values = {
            "finished_at": utc_now(),
            "type": line.request.kind if line.request else "",
            "identifier": masked(*line.request) if line.request else line.masked,
            "people": result.people,
            "outcome": result.outcome,
            "reason": " ".join(result.reason.split()),
            "folder": name[:16] if self._is_batch and line.request else "",
            "hash": name,
            "line": " ".join(self._numbers[name]) if self._is_batch else "",
        }
        self._outcomes[name] = result.outcome
        if _said(values) == _said(self._last.get(name, {})):
            return
        text = io.StringIO()
        rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        path = self._folder.path / RESULTS
        if not path.exists() or not path.stat().st_size:
            rows.writeheader()
        rows.writerow(values)
        append(path, text.getvalue())

    def summarize(self) -> str:
        """Count the requests by outcome, and list lines that need attention; stored for a batch."""
        if not self._is_batch:
            return ""
        count = sum(map(len, self._numbers.values()))
        sentences = [f"Lines with a request: {count}; different requests: {len(self._numbers)}."]
        for outcome, code in EXIT_CODES.items():
            names = [name for name, each in self._outcomes.items() if each == outcome]
            if names:
                where = self._where(names) if code else ""
                sentences.append(f"{outcome}: {len(names)}{where}. {MEANINGS[outcome]}")
        text = "\n".join(sentences)
        self._folder.write(SUMMARY, f"{text}\nWritten: {utc_now()}.\n")
        return text

    def _where(self, names: Sequence[str]) -> str:
        """The lines of requests, up to a limit."""
        numbers = sorted({int(number) for name in names for number in self._numbers[name]})
        more = len(numbers) - _MOST_LINES
        listed = ", ".join(map(str, numbers[:_MOST_LINES]))
        word = "line" if len(numbers) == 1 else "lines"
        return f" ({word} {listed}{f' and {more} more' if more > 0 else ''})"

    def each(
        self,
        lines: Sequence[Line],
        work: Callable[[Line, Request], T],
        *,
        workers: int,
        stop: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Line, T | Outcome]]:
        """Work on requests in parallel; yield each one when it ends, failed or not.

        If the caller stops early, `stop` is called, running requests end, and the rest is skipped.
        """
        pool = ThreadPoolExecutor(workers)
        under_way = {pool.submit(_try, work, line): line for line in lines}
        try:
            for future in as_completed(under_way):
                yield under_way[future], future.result()
        except BaseException:
            stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _is_done(self, line: Line, outcome: str) -> bool:
        """Whether an outcome is final, so that another run would not improve it."""
        if outcome in {UNPROVEN, OPT_UNPROVEN}:
            return self.place(line).read_json(JOURNAL) is None
        return outcome not in AGAIN

    def _earlier(self) -> dict[str, dict[str, str]]:
        """Last results of earlier runs by hash; ignores an incomplete line.

        Raises:
            TapError: Another program has changed the columns.
        """
        path = self._folder.path / RESULTS
        if not path.exists():
            return {}
        text = path.read_text(encoding="utf-8", errors="replace")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self._folder.write(RESULTS, whole)
        rows = csv.DictReader(io.StringIO(whole))
        if whole and tuple(rows.fieldnames or ()) != COLUMNS:
            raise errors.privacy.changed_results(str(path))
        return {row["hash"]: row for row in rows if row["outcome"] in EXIT_CODES}


def _said(row: Mapping[str, Any]) -> list[str]:
    """The fields of a result line, without the time."""
    return [str(row.get(column, "")) for column in COLUMNS[1:]]


def _try(work: Callable[[Line, Request], T], line: Line) -> T | Outcome:
    if line.request is None:
        return Outcome(FAILED, 0, line.error, is_settled=False)
    try:
        return work(line, line.request)
    except Exception as error:  # noqa: BLE001 - the other requests go on after any error
        return Outcome(FAILED, 0, errors.format_error(error), is_settled=False)

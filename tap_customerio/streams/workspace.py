"""The workspace's own lists: collections, snippets, sender identities, webhooks, assets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_customerio.api.steady import Listing
from tap_customerio.api.values import identifier
from tap_customerio.streams.base import CustomerioStream
from tap_customerio.streams.folders import FolderStream
from tap_customerio.streams.lists import USED_BY, ChildStream, ListStream, Whole
from tap_customerio.streams.schema import (
    array_of,
    boolean,
    integer,
    mapping_of,
    object_of,
    record,
    text,
    timestamp,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Record

    from tap_customerio.api.client import Client
    from tap_customerio.streams.base import Rows


class Collections(ListStream):
    """Collections: tables of the workspace's own data, for use in messages."""

    name = "collections"
    path = "/v1/collections"
    records_key = "collections"
    replication_key = "updated_at"
    schema = record(
        integer(id="Collection id.", rows="Number of rows.", bytes="Size in bytes."),
        text(name="Name in the app, as templates use it."),
        array_of(text(""), schema="Top-level keys of the rows."),
        timestamp(created_at="When it was created.", updated_at="When it last changed."),
    )


class CollectionContents(ChildStream):
    """Collection contents: the rows of each collection."""

    name = "collection_contents"
    selected_by_default = False
    parent = Collections
    path = "content"
    shape = Whole()
    parent_key = "collection_id"
    primary_keys = ("collection_id", "row_number")
    schema = record(
        integer(
            collection_id="Collection of the row.",
            row_number="Position in the collection, counted from 0.",
        ),
        object_of(mapping_of(), data="The row, as it was uploaded."),
        text(value="A row that is not an object: its text, or otherwise JSON."),
        key=primary_keys,
    )

    def rows(self, response: Any) -> Iterable[dict[str, Any]]:
        """The rows of a list, or the one row of an object; the API returns both."""
        content = response.whole()
        found = content if isinstance(content, list) else [content]
        return [
            {"row_number": number, "data" if isinstance(row, dict) else "value": row}
            for number, row in enumerate(found)
        ]


class Snippets(ListStream):
    """Snippets: reusable texts for messages."""

    name = "snippets"
    path = "/v1/snippets"
    records_key = "snippets"
    primary_keys = ("name",)
    replication_key = "updated_at"
    schema = record(
        text(name="Name, as templates use it.", value="The text; may contain template code."),
        timestamp(updated_at="When it last changed."),
        key=primary_keys,
    )


class SenderIdentities(ListStream):
    """Sender identities: names and addresses that send messages, hidden ones included."""

    name = "sender_identities"
    path = "/v1/sender_identities"
    records_key = "sender_identities"
    page_size = 100
    schema = record(
        integer(id="Sender identity id."),
        text(
            name="Name that recipients see.",
            email="Address that messages come from.",
            phone="Phone number that messages come from.",
            address="`Name <address>`.",
            template_type="email or phone.",
        ),
        text(deduplicate_id="`<id>:<unix second of the last change>`."),
        boolean(
            auto_generated="Whether Customer.io created it automatically.",
            hidden="Whether it is hidden in the app.",
        ),
    )

    @classmethod
    def listing(cls, client: Client) -> list[dict[str, Any]]:
        """Visible and hidden identities: `hidden=true` omits visible ones, contrary to the docs."""
        found, moved = {}, False
        for hidden in ("false", "true"):
            params = {"limit": cls.page_size, "hidden": hidden}
            rows = client.listing(cls.path, cls.records_key, params=params)
            moved = moved or rows.moved
            for row in rows:
                number = identifier(row)
                found[id(row) if number is None else str(number)] = row
        return Listing(found.values(), moved=moved)


class SenderUsage(ChildStream):
    """Sender usage: the campaigns and newsletters that use each sender identity."""

    name = "sender_usage"
    parent = SenderIdentities
    path = "used_by"
    shape = Whole(expect="campaigns")
    parent_key = "sender_identity_id"
    primary_keys = ("sender_identity_id",)
    schema = record(
        integer(sender_identity_id="Sender identity that is used."),
        USED_BY,
        key=primary_keys,
    )


class ReportingWebhooks(ListStream):
    """Reporting webhooks: where the workspace reports events, without paths and credentials."""

    name = "reporting_webhooks"
    selected_by_default = False
    path = "/v1/reporting_webhooks"
    records_key = "reporting_webhooks"
    schema = record(
        integer(id="Webhook id."),
        text(
            name="Name in the app.",
            type="webhook or js.",
            endpoint="Scheme, host and port of the URL; the rest may contain secrets.",
        ),
        array_of(text(""), events="Events that are reported, such as email_opened."),
        boolean(
            disabled="Whether the webhook is disabled.",
            full_resolution="Whether repeated opens and clicks are reported.",
            with_content="Whether the events include message bodies.",
        ),
    )

    def record(self, raw: dict[str, Any], slice_: None) -> Record | None:
        """The webhook, with only scheme, host and port of its URL."""
        endpoint = raw.get("endpoint")
        if (place := _place(endpoint)) is None and endpoint:
            self.outcome.unreadable.add("endpoint", self.read.id_of(raw))
        return super().record({**raw, "endpoint": place}, slice_)


def _place(address: Any) -> str | None:
    """Scheme, host and port of a URL; None for anything else."""
    try:
        parts = urlsplit(address if isinstance(address, str) else "")
    except ValueError:
        return None
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}" if place else None


class Workspaces(ListStream):
    """Workspaces: all workspaces of the account, with counts that are up to two hours old."""

    name = "workspaces"
    path = "/v1/workspaces"
    records_key = "workspaces"
    schema = record(
        integer(
            id="Workspace id.",
            people="Number of people in it: the size of the audience.",
            objects="Number of objects in it.",
            object_types="Number of object types in it.",
            messages_sent="Messages sent in this billing period, over all channels.",
            billable_messages_sent="Of these, messages that are billed.",
        ),
        text(name="Name in the app."),
    )


class IpAddresses(CustomerioStream):
    """IP addresses: the source addresses of Customer.io's webhook requests."""

    name = "ip_addresses"
    primary_keys = ("ip_address",)
    schema = record(text(ip_address="Source address of webhook requests."), key=primary_keys)

    def pages(self, slice_: None) -> Iterator[Rows]:  # noqa: ARG002
        """Yield the one response."""
        response = self.client.fetch("GET", "/v1/info/ip_addresses", expect="ip_addresses")
        yield [{"ip_address": address} for address in response.rows("ip_addresses")]


class Exports(ListStream):
    """Exports: jobs that export people or deliveries, without the exported data."""

    name = "exports"
    path = "/v1/exports"
    records_key = "exports"
    replication_key = "updated_at"
    schema = record(
        integer(
            id="Export id.",
            total="Number of rows in the file.",
            downloads="How often it was downloaded.",
            user_id="Id of the user who created it.",
        ),
        text(
            description="Description of the content.",
            deduplicate_id="`<id>:<updated_at>`.",
            type="customers or deliveries.",
            status="pending, done or failed.",
            user_email="E-mail address of the user who created it; personal data.",
        ),
        boolean(failed="Whether it failed."),
        timestamp(created_at="When it was created.", updated_at="When it last changed."),
    )


class AssetFolders(FolderStream):
    """Asset folders: folders of uploaded files."""

    name = "asset_folders"
    path = "/v1/assets/folders"
    records_key = "folders"
    replication_key = "updated"
    schema = record(
        integer(id="Folder id.", parent_folder_id="Folder above; null at the root."),
        text(name="Name in the app."),
        timestamp(created="When it was created.", updated="When it last changed."),
    )


class Assets(FolderStream):
    """Assets: uploaded files."""

    name = "assets"
    path = "/v1/assets"
    folders = AssetFolders
    records_key = "assets"
    replication_key = "updated"
    schema = record(
        integer(
            id="File id.",
            size="Size of the file.",
            parent_folder_id="Folder it is in; null at the root.",
        ),
        text(name="Name of the file.", path="Storage URL or path."),
        timestamp(created="When it was created.", updated="When it last changed."),
    )


class DesignStudioFolders(FolderStream):
    """Design Studio folders: folders of the visual editor."""

    name = "design_studio_folders"
    path = "/v1/design_studio/folders"
    records_key = "folders"
    replication_key = "updated"
    schema = record(
        text(id="Folder id.", name="Name in the app.", parent_folder_id="Null at the root."),
        timestamp(created="When it was created.", updated="When it last changed."),
    )


class DesignStudioEmails(FolderStream):
    """Design Studio e-mails: e-mails of the visual editor, without their bodies."""

    name = "design_studio_emails"
    path = "/v1/design_studio/emails"
    folders = DesignStudioFolders
    records_key = "emails"
    replication_key = "updated"
    schema = record(
        text(id="E-mail id.", name="Name in the app.", parent_folder_id="Null at the root."),
        boolean(
            is_template="Whether it is a template for other e-mails.",
            has_translations="Whether it has translations.",
            is_linked="Whether it is linked to a workflow.",
        ),
        timestamp(created="When it was created.", updated="When it last changed."),
    )


class DesignStudioComponents(FolderStream):
    """Design Studio components: building blocks of the visual editor."""

    name = "design_studio_components"
    path = "/v1/design_studio/components"
    folders = DesignStudioFolders
    records_key = "components"
    replication_key = "updated"
    schema = record(
        text(
            id="Component id.",
            name="Name in the app.",
            tag="Tag that e-mails use it by.",
            parent_folder_id="Null at the root.",
        ),
        timestamp(created="When it was created.", updated="When it last changed."),
    )

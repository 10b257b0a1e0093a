"""The commands of nodes: serve, edge, key. What they need is imported when they run."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.terminal import FINDINGS, FINE, Format, Output, examples, say, usage

if TYPE_CHECKING:
    from server.retention import Pruned
    from server.settings import Settings

Listen = Annotated[
    str | None,
    typer.Option("--listen", "--address", metavar="HOST:PORT", help="Where to serve; port 0: any free one."),
]
AddressFile = Annotated[
    Path | None, typer.Option("--address-file", metavar="FILE", help="Write the bound HOST:PORT here.")
]
CacheDir = Annotated[Path | None, typer.Option("--cache-dir", metavar="DIR", help="Compiled kernels; may be deleted.")]
SigningKey = Annotated[
    Path | None, typer.Option("--signing-key", metavar="FILE", help="Private key that published rulesets get.")
]
TrustedKeys = Annotated[
    Path | None,
    typer.Option("--trusted-keys", metavar="FILE|DIR", help="Public keys; only what they signed is taken."),
]
Unsigned = Annotated[bool, typer.Option("--unsigned", help="Development only: rulesets without a signature are taken.")]
MetricsAddress = Annotated[
    str | None, typer.Option("--metrics-address", metavar="HOST:PORT", help="Where Prometheus is told figures.")
]
LogFormat = Annotated[str | None, typer.Option("--log-format", metavar="human|json")]
LogLevel = Annotated[str | None, typer.Option("--log-level", metavar="debug|info|warning|error")]


def serve(
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="A project to publish first; without one, what the store holds."),
    ] = None,
    listen: Listen = None,
    address_file: AddressFile = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", metavar="DIR", help="The embedded store's log, and mapped parts.")
    ] = None,
    cache_dir: CacheDir = None,
    store: Annotated[
        str | None, typer.Option("--store", metavar="URL", help="redis://…, redis+sentinel://…; else embedded.")
    ] = None,
    store_binary: Annotated[
        Path | None, typer.Option("--store-binary", metavar="FILE", help="valkey-server for the embedded store.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", help="Serving processes that share the address; else one.")
    ] = None,
    signing_key: SigningKey = None,
    trusted_keys: TrustedKeys = None,
    unsigned: Unsigned = False,
    metrics_address: MetricsAddress = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
) -> None:
    """Serve decisions over gRPC until SIGTERM or Ctrl-C; publish DIR first.

    Without --store a private Valkey runs in the data directory, with a key of its own that rulesets are signed by; a
    store elsewhere needs --trusted-keys, and --signing-key where rulesets are published (`einklang key new`). If DIR
    does not compile, its findings are shown and the last good ruleset stays in force. Every option can stand in the
    environment too: EINKLANG_DATA_DIR and so on; the address as EINKLANG_ADDRESS, the store's password only there
    (EINKLANG_STORE_PASSWORD).

    Ends with 0 when stopped, 1 if DIR does not compile and nothing was in force, 2 if something else prevents serving.
    """
    from server import app as node

    if directory is not None and not directory.is_dir():
        usage(f"{directory}: not a directory")
    settings = _settings(
        {
            "address": listen,
            "address_file": address_file,
            "data_dir": data_dir,
            "cache_dir": cache_dir,
            "store": store,
            "store_binary": store_binary,
            "workers": workers,
            "signing_key": signing_key,
            "trusted_keys": trusted_keys,
            "unsigned": unsigned or None,  # else as the environment says
            "metrics_address": metrics_address,
            "log_format": log_format,
            "log_level": log_level,
        }
    )
    raise typer.Exit(node.serve(settings, directory))


SERVE_EXAMPLES = examples(
    "einklang serve examples/shop",
    "einklang serve --store redis://10.0.0.5:6379 --trusted-keys shop.key.pub --listen 0.0.0.0:50051",
)


def edge(
    listen: Listen = None,
    address_file: AddressFile = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", metavar="DIR", help="What is kept on disk; this edge's alone.")
    ] = None,
    cache_dir: CacheDir = None,
    store: Annotated[str | None, typer.Option("--store", metavar="URL", help="The tenant's store: redis://… .")] = None,
    trusted_keys: TrustedKeys = None,
    unsigned: Unsigned = False,
    metrics_address: MetricsAddress = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    status: Annotated[
        bool, typer.Option("--status", help="Serve nothing: show what DIR holds, and what was decided otherwise.")
    ] = False,
    output: Output = Format.TEXT,
) -> None:
    """Serve from a store's back room or a till: on, also over restarts, while the tenant's store is away.

    The Timeline, rulesets and prices are kept in the data directory. Without the store it answers SCHEDULED, for as
    long as the tenant's horizon allows since the store was last heard (EINKLANG_HORIZON_MS, said when the tenant is set
    up), then not at all. What was answered meanwhile is decided anew once the store is back; what comes out otherwise
    is listed: --status shows it, and for how long this edge still may. The first start needs the store.

    Ends with 0 when stopped, 2 if something prevents serving; --status with 1 where something was decided otherwise, or
    what is there cannot be used.
    """
    settings = _settings(
        {
            "address": listen,
            "address_file": address_file,
            "data_dir": data_dir,
            "cache_dir": cache_dir,
            "store": store,
            "trusted_keys": trusted_keys,
            "unsigned": unsigned or None,
            "metrics_address": metrics_address,
            "log_format": log_format,
            "log_level": log_level,
        }
    )
    if status:
        from server.clock import SystemClock
        from server.edge_status import look, text

        found = look(settings, SystemClock())
        say(json.dumps(found.as_data(), ensure_ascii=False) if output is Format.JSON else text(found))
        raise typer.Exit(FINDINGS if found.differences or found.problem else FINE)
    if settings.store is None:
        usage("an edge needs the address of the tenant's store: --store redis://HOST:PORT")
    from server import app as node

    raise typer.Exit(node.serve(settings, edge=True))


EDGE_EXAMPLES = examples(
    "einklang edge --store redis://einklang.example:6379 --trusted-keys shop.key.pub --data-dir /var/lib/einklang",
    "einklang edge --status --data-dir /var/lib/einklang",
    "einklang status --address till-7:50051",
)


def prune(
    store: Annotated[
        str | None, typer.Option("--store", metavar="URL", help="The tenant's store; else the one of --data-dir.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", metavar="DIR", help="Of the running server that has its own store.")
    ] = None,
    keep_days: Annotated[
        int | None,
        typer.Option("--keep-days", metavar="N", help="Since a ruleset was last in force; 730, or EINKLANG_KEEP_DAYS."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing; say what would be.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before.")] = False,
    output: Output = Format.TEXT,
) -> None:
    """Delete rulesets that were last in force so many days ago, and what only they needed.

    What is in force, scheduled or being tried stays, and the whole Timeline. Decisions for an instant whose ruleset is
    gone are refused by name from then on. It is safe while rulesets are published and served. Run it by a timer, with
    --yes.
    """
    import asyncio

    from server import retention
    from server.embedded import store_settings
    from server.store import StoreError, opened
    from server.telemetry import configure

    given = {"store": store, "data_dir": data_dir, "keep_days": keep_days, "log_level": "error"}
    settings = _settings(given)
    configure(settings.log_format, settings.log_level)

    def tell(step: str) -> None:
        if sys.stderr.isatty():
            say(f"   looking at {step} …", to=sys.stderr)

    async def work(dry: bool) -> Pruned:
        async with opened(store_settings(settings), new=False) as found:
            return await retention.prune(found, settings.keep_days, dry_run=dry, tell=tell)

    try:
        if not dry_run and not yes:
            would = asyncio.run(work(True))
            say(_pruned(would, settings.keep_days, "would delete"))
            if not would.blobs or not typer.confirm("Delete all that?", default=False):
                raise typer.Exit(FINE)
        done = asyncio.run(work(dry_run))
    except (StoreError, retention.CannotTell) as error:
        say(f"einklang: {error}", "red", to=sys.stderr)
        raise typer.Exit(FINDINGS) from None
    if output is Format.JSON:
        say(json.dumps({"dry_run": dry_run, "keep_days": settings.keep_days, **asdict(done)}))
    else:
        say(_pruned(done, settings.keep_days, "would delete" if dry_run else "deleted"))


PRUNE_EXAMPLES = examples(
    "einklang prune --dry-run",
    "einklang prune --store redis://10.0.0.5:6379 --keep-days 730 --yes",
)


def _pruned(done: Pruned, keep_days: int, verb: str) -> str:
    busy = sum(done.busy.values())
    spared = f"{busy:,} pieces more were in use a short while ago: another time"
    if not done.blobs:
        text = f"nothing to delete: {done.kept:,} rulesets, each in force within {keep_days:,} days or to come"
    else:
        pieces = ", ".join(f"{count:,} {kind}" for kind, count in sorted(done.blobs.items()))
        text = f"{verb} {done.rulesets:,} rulesets last in force more than {keep_days:,} days ago; {done.kept:,} stay\n"
        text += f"{done.size_bytes:,} bytes: {pieces}"
    return f"{text}\n{spared}" if busy else text


def _settings(given: Mapping[str, object]) -> Settings:
    """Of the command line and the environment. Ends with 64 where they do not fit."""
    from server.settings import BadSettings, load

    try:
        return load(given)
    except BadSettings as error:
        usage(str(error))


# ---------------------------------------------------------------------------------------------------- keys

key = typer.Typer(
    name="key",
    help="Make and show the keys that rulesets are signed with.",
    epilog=examples("einklang key new shop.key", "einklang key show shop.key.pub"),
    no_args_is_help=True,
)


@key.command(name="new", epilog=examples("einklang key new shop.key"))
def key_new(file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key is to stand.")]) -> None:
    """Make a key: FILE is private and closed to others, FILE.pub is what serving nodes are given.

    Neither is ever overwritten. Keep FILE where rulesets are published, and a copy of it where nobody else comes.
    """
    from server.keys import BadKey, make, public_file

    try:
        made = make(file)
    except BadKey as error:
        usage(str(error))
    say(f"key {made.id}\n   private: {file}   (for --signing-key; keep it secret)")
    say(f"   public:  {public_file(file)}   (for --trusted-keys)")


@key.command(name="show", epilog=examples("einklang key show shop.key", "einklang key show keys/shop.key.pub"))
def key_show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A private key, or public ones.")],
    output: Output = Format.TEXT,
) -> None:
    """Show the id and the public key of a key file; never the private key."""
    from server.keys import BadKey, read_public

    try:
        keys = read_public(file)
    except BadKey as error:
        usage(str(error))
    if output is Format.JSON:
        say(json.dumps({"keys": [{"id": one.id, "public_key": one.pem} for one in keys]}))
    else:
        say("\n".join(f"key {one.id}\n{one.pem.rstrip()}" for one in keys))

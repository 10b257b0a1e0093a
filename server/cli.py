"""The command line. Each command imports what it needs when it runs, so that `einklang --help` is quick.

Exit codes: 0 fine, 1 findings (text that does not compile, a test that fails, a request that is refused, a server that
is not ready), 2 changes (diff, plan) or something that prevents serving, 64 a command line that does not fit. Colour
only on a terminal, and not with NO_COLOR.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import sys
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn

import typer
from typer.core import TyperGroup

from server import cli_nodes
from server.terminal import CHANGES, FINDINGS, USAGE, Format, Output
from server.terminal import examples as _examples
from server.terminal import say as _say
from server.terminal import usage as _usage
from server.terminal import visible as _visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.message import Message

    from dsl.changes import Change
    from dsl.compiler import Compilation
    from einklang.v1.ruleset_pb2 import PublishResponse, TimelineEntry
    from server.client import CallFailed
    from server.counterexamples import Shown
    from server.formatting import Formatted
    from server.timeline_cli import Asked, Publication

STDIN: Final = "<stdin>"
ADDRESS: Final = "127.0.0.1:50051"

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan", "ok": "green", "FAIL": "red"}
_SIGNS = {"+": "green", "~": "yellow", ">": "cyan", "-": "red"}


class Report(StrEnum):
    """How a command tells its findings."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


class Spoken(StrEnum):
    """In which language a command speaks."""

    EN = "en"
    DE = "de"

    @property
    def code(self) -> Literal["en", "de"]:
        """As the language's own functions take it."""
        return "de" if self is Spoken.DE else "en"


class TestFormat(StrEnum):
    """How `test` answers."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


class _Group(TyperGroup):
    """A wrong command line ends with 64, so that scripts can tell it from findings."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal that has no «» shows ? in their place
        try:
            return super().main(*args, **kwargs)
        except OSError as error:  # of commands all are told in their place: this is the output itself
            with suppress(OSError):
                sys.stderr.write(f"einklang: {error.filename or 'the output'}: {error.strerror or error}\n")
                sys.stderr.flush()
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of it is not tried again
            raise SystemExit(USAGE) from None
        except SystemExit as ended:
            wrong = ended.code == 2 and not isinstance(ended.__context__, typer.Exit)  # the library's code for usage
            raise SystemExit(USAGE if wrong else ended.code) from None


app = typer.Typer(
    cls=_Group,
    name="einklang",
    help="Promotions as text, the same answer in every channel.\n\n"
    "Write rules in .promo files, **check** and **test** them here, **serve** them, and ask a running server to "
    "**decide** a basket or to **explain** why.",
    epilog="Exit codes: 0 fine, 1 findings, 2 changes, 64 a command line that does not fit.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Project = Annotated[
    Path, typer.Argument(metavar="DIR", help="The project: a directory of .promo files and the data they name.")
]
Address = Annotated[str, typer.Option("--address", "-a", metavar="HOST:PORT", help="The server to ask.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long an answer may take.")]
Language = Annotated[Spoken, typer.Option("--lang", help="In which language to answer.")]
Reason = Annotated[str, typer.Option("--reason", "-m", metavar="TEXT", help="Why, for those who read the Timeline.")]
Author = Annotated[str, typer.Option("--author", metavar="NAME", help="Who; without it, the user at this terminal.")]
Force = Annotated[bool, typer.Option("--force", help="Also where nodes are not ready for it.")]
Urgent = Annotated[
    bool, typer.Option("--urgent", help="Without waiting for the horizon up to which cut-off nodes answer.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before.")]
At = Annotated[
    str,
    typer.Option(
        "--at", metavar="INSTANT", help="+10m, 2026-12-01T06:00+01:00, or local time; else as soon as it may be."
    ),
]
Patience = Annotated[
    float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long the server may take for all of it.")
]
Basket = Annotated[str, typer.Argument(metavar="BASKET.json", help="A DecideRequest as protobuf JSON; - reads stdin.")]


def main() -> None:
    """The entry point of the `einklang` command."""
    app()


# ---------------------------------------------------------------------------------------------------- rules


@app.command(
    epilog=_examples(
        "einklang check examples/shop",
        "einklang check . --format json | jq '.diagnostics[].code'",
        "einklang check examples/shop --examples baskets",
        "einklang check . --format github --lang de",
        "einklang check . --fix --diff",
    ),
)
def check(
    directory: Project = Path(),
    examples: Annotated[
        Path | None,
        typer.Option("--examples", metavar="DIR", help="Write baskets that show findings, for `einklang decide`."),
    ] = None,
    output: Annotated[
        Report,
        typer.Option("--format", help="For people, for programs, as GitHub's annotations, or as SARIF 2.1.0."),
    ] = Report.TEXT,
    language: Language = Spoken.EN,
    fix: Annotated[bool, typer.Option("--fix", help="Apply the fixes of findings marked [fix] to the files.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; show what --fix would change.")] = False,
) -> None:
    """Read all rules and say everything that is wrong with them, at once: each line, and the ruleset as a whole.

    Each finding shows the line as written, what is wrong, and what to write instead; `einklang explain P0101` tells
    more about its code. Nothing is stored and nothing takes force. With --examples a finding about two promotions is
    shown by a basket, which the engine has decided first.

    With --fix each file is written whole or not at all, and a fix is left where it would bring another error. What
    remains is shown.
    """
    from dsl.compiler import check_project

    files = _project(directory)
    if fix or diff:
        files = _mended(directory, files, language, diff=diff)
    compilation = check_project(files, examples=examples is not None)
    shown = None if examples is None else _examples_of(compilation, examples)
    _report(compilation, output, directory, language, shown)
    if not compilation.ok:
        raise typer.Exit(FINDINGS)


@app.command(
    "test",
    epilog=_examples(
        "einklang test examples/shop",
        "einklang test examples/shop -k pasta",
        'einklang test examples/shop --trace "over after Saturday"',
        "einklang test examples/shop --cov --cov-min 80",
        "einklang test . --format github --junit results.xml",
    ),
)
def run_tests(
    directory: Project = Path(),
    keyword: Annotated[str, typer.Option("-k", metavar="TEXT", help="Only tests with this in their name.")] = "",
    trace: Annotated[
        str, typer.Option("--trace", metavar="NAME", help="Tell every promotion's verdict in this one test.")
    ] = "",
    cov: Annotated[bool, typer.Option("--cov", help="List every line that no test made decisive.")] = False,
    cov_min: Annotated[
        int | None,
        typer.Option("--cov-min", min=0, max=100, metavar="PERCENT", help="End with 1 below this share of lines."),
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML, for CI.")] = None,
    output: Annotated[
        TestFormat, typer.Option("--format", help="For people, for programs, or as notes in a pull request.")
    ] = TestFormat.TEXT,
    language: Language = Spoken.EN,
) -> None:
    """Run the tests that stand beside the rules, on the engine that serves.

    A failing test shows what was expected, what came instead, and because of which line; of amounts, where the cents
    went. The last line names the lines of the rules that no test turned on.
    """
    from server import testing
    from server.kernels import CacheUnsafe
    from server.settings import BadSettings, load

    files = _project(directory)
    try:
        outcome = testing.run(
            files,
            keyword,
            cache_dir=load().cache_dir,
            tell=lambda text: _say(text, to=sys.stderr),
            trace=trace,
            cover=cov or cov_min is not None,
            language=language.value,
        )
    except (BadSettings, CacheUnsafe, testing.NoSuchTest) as error:
        _usage(str(error))
    if keyword and outcome.compilation.ok and not outcome.results:
        _usage(f"no test has «{keyword}» in its name")
    if junit is not None:
        try:
            junit.write_bytes(testing.junit(outcome))
        except OSError as error:
            _usage(f"{junit}: cannot be written: {error.strerror}")
    if output is TestFormat.JSON:
        _say(json.dumps(outcome.as_data(), ensure_ascii=False))
    elif not outcome.compilation.ok:
        _report(outcome.compilation, Report(output.value), directory, language)
    else:
        for line in testing.text(outcome, full_coverage=cov).splitlines():
            words = line.split(maxsplit=1)
            _say(line, _COLOURS.get(words[0], "") if words else "")
    if output is TestFormat.GITHUB and (said := testing.github(outcome, directory)):
        _say(said)
    if cov_min is not None and outcome.coverage is not None and outcome.coverage.percent < cov_min:
        _say(f"einklang: {outcome.coverage.percent}% of the lines are decisive, --cov-min asks for {cov_min}%", "red")
        raise typer.Exit(FINDINGS)
    if outcome.failed or not outcome.compilation.ok:
        raise typer.Exit(FINDINGS)


@app.command(
    epilog=_examples(
        "einklang new",
        "einklang new project shop --currency EUR,CHF --languages de,en",
        "einklang new 3-for-2 pasta-week --set pasta",
        "einklang new employee-discount staff-20 --for employees --dir shop",
        "einklang new happy-hour rolls --set bakery --from 2026-09-07",
    ),
)
def new(
    template: Annotated[str, typer.Argument(metavar="[TEMPLATE]", help="Without one: all there are.")] = "",
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="Of the new promotion; of «project»: its directory.")
    ] = "",
    products: Annotated[
        str, typer.Option("--set", metavar="SET", help="The product set; without one, a new one to fill in.")
    ] = "",
    audience: Annotated[str, typer.Option("--for", metavar="SEGMENT", help="Who gets it, where not everyone.")] = "",
    group: Annotated[str, typer.Option("--group", metavar="GROUP", help="Else the first group that fits.")] = "",
    service: Annotated[str, typer.Option("--service", metavar="SERVICE", help="Whose fee is waived.")] = "",
    begin: Annotated[
        str, typer.Option("--from", metavar="YYYY-MM-DD", help="The first day; without one, next Monday.")
    ] = "",
    directory: Annotated[Path, typer.Option("--dir", metavar="DIR", help="The project.")] = Path(),
    currency: Annotated[str, typer.Option("--currency", metavar="CODES", help="Of a new project.")] = "EUR",
    languages: Annotated[str, typer.Option("--languages", metavar="CODES", help="Of a new project.")] = "en",
    timezone: Annotated[str, typer.Option("--timezone", metavar="ZONE", help="Of a new project.")] = "Europe/Berlin",
) -> None:
    """Write a promotion with its tests from a template, or a whole new project.

    It is fitted into the project: its currencies and languages, a group that suits the reward, sample articles that are
    in the set and outside all guards. A file that exists is never changed.
    """
    from server import new as scaffold

    if not template:
        _say(scaffold.table())
        return
    if not name:
        _usage(f"say the name of the {'directory' if template == 'project' else 'promotion'}")
    try:
        day = scaffold.day(begin)
        if template == "project":
            codes, spoken = (tuple(part.strip() for part in text.split(",")) for text in (currency, languages))
            made = scaffold.project(Path(name), currencies=codes, timezone=timezone, languages=spoken, day=day)
        else:
            wanted = scaffold.Wanted(name, products, audience, group, service)
            made = scaffold.promotion(directory, template, wanted, day)
    except scaffold.Unfit as error:
        _usage(str(error))
    for path in made.files:
        _say(f"wrote {path.as_posix()}")
    for what in made.fill_in:
        _say(f"fill in   {what}", "yellow")
    for other in made.meets:
        _say(f"meets     {other} takes the same articles on these days and may save more; --from sets another day")
    _say(f"try       einklang test {scaffold.shown(name if template == 'project' else directory)}")


@app.command(
    "fmt",
    epilog=_examples(
        "einklang fmt",
        "einklang fmt --check --diff promotions",
        "einklang fmt - < summer.promo",
    ),
)
def fmt(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Files, or directories of .promo files; - reads stdin."),
    ] = None,
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; end with 1 if a file is not formatted.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; show what would change.")] = False,
) -> None:
    """Write rules in their one layout: spacing, amounts, empty lines, the order of a promotion's clauses.

    Comments stay with what they stand beside, and what a text says never changes: both are compared before anything is
    written. A file whose form has errors is left as it is and named.
    """
    from server import formatting

    wanted = paths or [Path()]
    if wanted == [Path("-")]:
        results = [formatting.formatted(STDIN, sys.stdin.buffer.read())]
        if not (check_only or diff or results[0].state == "left"):
            sys.stdout.buffer.write(results[0].after.encode())
            sys.stdout.buffer.flush()
    else:
        results = []
        try:
            for result in formatting.format_files(formatting.files_of(wanted)):
                changes = result.state == "reformatted"
                results.append(formatting.write(result) if changes and not (check_only or diff) else result)
        except formatting.NoFiles as error:
            _usage(str(error))
    _show_formatted(results, pending=check_only or diff, diff=diff)
    if any(result.state == "left" or (check_only and result.state == "reformatted") for result in results):
        raise typer.Exit(FINDINGS)


@app.command(epilog=_examples("einklang lsp"))
def lsp() -> None:
    """Answer an editor over standard input and output, in the Language Server Protocol.

    Findings while typing, quick fixes, completion, hover, definition, rename, layout, running tests. The editor starts
    it, not you: docs/editor.md says how to set up each.
    """
    try:
        from server.lsp import serve
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        _usage("the language server needs the extra lsp: pip install 'einklang[lsp]'")
    serve()


@app.command(
    epilog=_examples(
        "einklang docs examples/shop --out site",
        "einklang docs . --out site --lang de --title 'Our shop'",
    ),
)
def docs(
    directory: Project = Path(),
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the site is written.")] = Path("site"),
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="Of the site; else the directory's name.")] = "",
    language: Language = Spoken.EN,
) -> None:
    """Write a site about the rules: catalogue, calendar, lineage, glossary, a page for each declaration.

    Plain files that open in any browser, without a server and without anything from elsewhere. A site that was
    written before is replaced; a directory that holds anything else is not touched.
    """
    from server.site.write import NotOurs, write

    files = _project(directory)
    try:
        pages = write(files, out, title=title or directory.resolve().name, language=language)
    except (NotOurs, OSError) as error:
        _usage(str(error))
    _say(f"{_count(pages, 'page')} written: {out / 'index.html'}")


@app.command(
    epilog=_examples(
        "einklang diff ../live .",
        "einklang diff old new --format json | jq '.changes[] | select(.effect == \"gives more\")'",
    ),
)
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The project as it was: a directory.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The project as it shall be: a directory.")],
    output: Output = Format.TEXT,
    language: Language = Spoken.EN,
) -> None:
    """Say what differs between two projects in what they do: who gets what, when and where.

    Layout, comments and order make no difference. Each line says what a change does, in which words, and where.

    Ends with 0 if nothing changes, 2 if something does, 1 if one of the two does not compile.
    """
    from server import comparing

    try:
        before, after = comparing.read(old), comparing.read(new)
    except comparing.NoProject as error:
        _usage(str(error))
    for read in (before, after):
        if not read.compilation.ok:
            _findings(read.compilation, output, language)
    found = comparing.compare(before.side, after.side)
    if output is Format.JSON:
        _say(json.dumps({"changes": comparing.as_data(found, language.code)}, ensure_ascii=False))
    else:
        _show_changes(found, language)
    if found:
        raise typer.Exit(CHANGES)


@app.command(
    "image",
    epilog=_examples(
        "einklang image examples/shop --out shop.image",
        "einklang image . --out shop.image --signing-key shop.key",
    ),
)
def write_image(
    directory: Project = Path(),
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Where it is written.")] = Path(
        "ruleset.image"
    ),
    signing_key: Annotated[
        Path | None, typer.Option("--signing-key", metavar="FILE", help="Sign it (`einklang key new FILE`).")
    ] = None,
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="For whom it is signed.")] = "default",
    author: Author = "",
    output: Output = Format.TEXT,
    language: Language = Spoken.EN,
) -> None:
    """Write a project's ruleset as one file, for a till or device that decides in its own process.

    The file has the same image, under the same digest, that publishing the project would put in force. How to decide by
    it: examples/embedded. Nothing is stored and nothing takes force.
    """
    from dsl.compiler import check_project
    from engine.link import link
    from server import image_file
    from server.keys import BadKey, read_signing
    from server.signing import Seal

    compilation = check_project(_project(directory))
    if not compilation.ok:
        _findings(compilation, output, language)
    image = link(compilation.programs)
    try:
        signatures = b""
        if signing_key is not None:
            signatures = Seal(read_signing(signing_key), tenant).sign(image.digest, _author(author))
        size = image_file.write(out, image.manifest, image.parts, signatures)
    except BadKey as error:
        _usage(str(error))
    except OSError as error:
        _usage(f"{out}: cannot be written: {error.strerror}")
    if output is Format.JSON:
        _say(json.dumps({"ruleset_digest": image.digest, "file": str(out), "bytes": size}))
    else:
        signed = "" if signing_key is None else ", signed"
        _say(f"{out}: ruleset {image.digest}, {size:,} bytes{signed}", "green")


# ---------------------------------------------------------------------------------------------------- a server


@app.command(
    epilog=_examples(
        "einklang plan examples/shop",
        "einklang plan . --address till-7:50051 --out plan.json",
    ),
)
def plan(
    directory: Project = Path(),
    address: Address = ADDRESS,
    timeout: Timeout = 10.0,
    output: Output = Format.TEXT,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the plan here, as JSON.")] = None,
    language: Language = Spoken.EN,
) -> None:
    """Say what a project would change of what is live on a server, before it is published.

    Each line says what a change does: gives more or less, to more or fewer people, later, or through a set or a list
    that a promotion uses. With --out the plan is kept, with the digests of both sides.

    Ends with 0 if nothing changes, 2 if something does, 1 if the project does not compile or no server answers.
    """
    from dsl.compiler import check_project
    from server import client, planning

    files = _project(directory)
    compilation = check_project(files)
    if not compilation.ok:
        _findings(compilation, output, language)
    try:
        made = planning.plan(planning.live(address, timeout), directory, files, compilation)
        if out is not None:
            planning.save(made, out, language.code)
    except client.CallFailed as error:
        _refused(error, output)
    except OSError as error:
        _usage(f"{out}: cannot be written: {error.strerror}")
    if output is Format.JSON:
        _say(json.dumps(planning.as_data(made, language.code), ensure_ascii=False))
    else:
        above, below = planning.text(made, language.code)
        _say(above + "\n")
        _show_lines(made.changes, language)
        _say(below)
    if made.changes:
        raise typer.Exit(CHANGES)


@app.command(
    epilog=_examples(
        "einklang decide basket.json",
        "einklang decide basket.json --address till-7:50051 --lang de",
        "einklang decide basket.json --next 3",
        "cat basket.json | einklang decide - --format json",
    ),
)
def decide(
    basket: Basket,
    address: Address = ADDRESS,
    timeout: Timeout = 5.0,
    output: Output = Format.TEXT,
    language: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help="Of the texts of promotions.")] = "",
    steps: Annotated[
        int, typer.Option("--next", metavar="N", min=0, max=10, help="Tell N things to add that would save most.")
    ] = 0,
) -> None:
    """Ask a server what a basket gets, and print the receipt.

    The receipt is followed by the promotions that touch the basket, applied or not and why, and by the ruleset that
    decided. With --format json: the DecideResponse as protobuf JSON, amounts in minor units.
    """
    from einklang.v1 import decision_pb2, decision_pb2_grpc
    from server import client, receipt

    try:
        request = client.read_basket(_text(basket), decision_pb2.DecideRequest)
        request.next_steps = steps or request.next_steps
        with client.channel(address) as connection:
            stub = decision_pb2_grpc.DecisionServiceStub(connection)
            response = client.call(stub.Decide, request, address=address, timeout_s=timeout)
    except client.CallFailed as error:
        _refused(error, output)
    if output is Format.JSON:
        _say(client.to_json(response))
        return
    parts = (
        receipt.receipt(request, response.decision, language),
        receipt.reasons(response.decision),
        receipt.next_steps(response.decision),
        receipt.envelope(response),
    )
    _say("\n\n".join(part for part in parts if part))


@app.command(
    epilog=_examples(
        "einklang explain pasta-3-for-2 --lang de",
        "einklang explain P0101",
        "einklang explain basket.json -p pasta-3-for-2",
    ),
)
def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="NAME|CODE|BASKET.json",
            help="A promotion, segment, set, group or guard; the code of a finding; or a basket as for decide.",
        ),
    ],
    promotions: Annotated[
        list[str] | None, typer.Option("-p", "--promotion", metavar="NAME", help="Only this one; may repeat.")
    ] = None,
    address: Address = ADDRESS,
    timeout: Timeout = 5.0,
    output: Output = Format.TEXT,
    project: Annotated[Path, typer.Option("--project", metavar="DIR", help="Where the name is declared.")] = Path(),
    language: Annotated[
        Spoken | None, typer.Option("--lang", help="In which language to answer; else the ruleset's, or English.")
    ] = None,
) -> None:
    """Say what a promotion means, why a basket got what it got, or what a finding's code means.

    A name of the project is said as a sentence. For a code the page with a failing and a repaired example is shown.
    For a basket a server is asked; each promotion shows its reason, and the line that does not hold or what is missing.
    """
    if _is_code(what):
        _explain_code(what, language or Spoken.EN)
        return
    if what != "-" and not Path(what).exists() and _NAME.fullmatch(what):
        _explain_name(what, project, language or Spoken.EN)
        return
    from einklang.v1 import decision_pb2, decision_pb2_grpc
    from server import client, receipt

    try:
        request = client.read_basket(_text(what), decision_pb2.DecideRequest)
        asked = client.request_of(request, promotions or [], language)
        with client.channel(address) as connection:
            stub = decision_pb2_grpc.DecisionServiceStub(connection)
            response = client.call(stub.Explain, asked, address=address, timeout_s=timeout)
    except client.CallFailed as error:
        _refused(error, output)
    if output is Format.JSON:
        _say(client.to_json(response))
    else:
        _say(f"{receipt.explanations(response)}\n\n{receipt.envelope(response)}")


@app.command(
    epilog=_examples(
        'einklang publish examples/shop --reason "pasta week"',
        "einklang publish . --at 2026-12-01T06:00+01:00 --yes",
        "einklang publish . --at +10m --address till-7:50051",
        "einklang publish . --dry-run",
    ),
)
def publish(
    directory: Project = Path(),
    at: At = "",
    reason: Reason = "",
    author: Author = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compile and link on the server; nothing changes.")
    ] = False,
    force: Force = False,
    urgent: Urgent = False,
    yes: Yes = False,
    address: Address = ADDRESS,
    timeout: Patience = 600.0,
    output: Output = Format.TEXT,
    language: Language = Spoken.EN,
) -> None:
    """Put a project in force on every node, now or at an instant: whole, or not at all.

    What would change is shown first, and on a terminal you are asked. The server compiles what changed, stores and
    signs the image, has every node fetch, verify and try it, and only then appends to the Timeline. If one node cannot
    decide by it nothing changes. A ruleset takes force a lease after it was appended, so that all nodes change at once.

    Ends with 0 when it is published or in force already, 1 if it was refused.
    """
    from dsl.compiler import check_project
    from server import client, planning, timeline_cli

    asked = _asked(address, timeout, author, reason, force, urgent)
    files = _project(directory)
    compilation = check_project(files)
    if not compilation.ok:
        _findings(compilation, output, language)
    try:
        before = timeline_cli.timeline(asked, page_size=1)
        at_us = timeline_cli.when(at, before.store_time_us)
        made = planning.plan(planning.live(address, min(timeout, 60.0)), directory, files, compilation)
        if output is Format.TEXT:
            above, below = planning.text(made, language.code)
            _say(above + "\n")
            _show_lines(made.changes, language)
            _say(below)
        question = "Publish this?" if not at_us else f"Publish this, to take force at {_local(at_us)}?"
        if not dry_run:
            _confirm(question, yes, output)
        publication = timeline_cli.Publication(asked, files, at_us=at_us, dry_run=dry_run)
        response = _with_progress(publication, output)
        later_us = timeline_cli.timeline(asked, page_size=1).store_time_us
    except timeline_cli.Unfit as error:
        _usage(str(error))
    except client.CallFailed as error:
        _refused(error, output)
    if output is Format.JSON:
        _say(client.to_json(response))
    elif dry_run:
        _say(f"dry run: would be ruleset {response.ruleset_digest}", "green")
    else:
        last = before.entries[-1].sequence if before.entries else 0
        _say(timeline_cli.published(response, last, later_us), "green")


@app.command(
    epilog=_examples(
        "einklang schedule 3f2a91 --at 2026-12-01T06:00+01:00",
        "einklang schedule '#12' --at +2h",
    ),
)
def schedule(
    ruleset: Annotated[
        str,
        typer.Argument(metavar="DIGEST|#ENTRY", help="A stored ruleset: its digest, the beginning of it, an entry."),
    ],
    at: At = "",
    reason: Reason = "",
    author: Author = "",
    force: Force = False,
    urgent: Urgent = False,
    yes: Yes = False,
    address: Address = ADDRESS,
    timeout: Patience = 120.0,
    output: Output = Format.TEXT,
) -> None:
    """Put a ruleset that is stored already in force, now or at an instant.

    Promotions that are paused then stay paused.
    """
    from einklang.v1 import ruleset_pb2 as pb
    from engine.timeline import is_digest
    from server import timeline_cli

    asked = _asked(address, timeout, author, reason, force, urgent)
    with _told(output):
        entries, last = timeline_cli.all_entries(asked)
        digest = ruleset if is_digest(ruleset) else timeline_cli.entry_of(ruleset, entries).ruleset_digest
        at_us = timeline_cli.when(at, last.store_time_us)
        _confirm(f"Put ruleset {digest[:12]}… in force {_at(at_us)}?", yes, output)
        request = pb.ScheduleRequest(ruleset_digest=digest, effective_from_us=at_us, **asked.words())
        _show_change(asked, "Schedule", request, output)


@app.command(epilog=_examples('einklang cancel 14 --reason "not before Monday"'))
def cancel(
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="The number of an entry that is not in force yet.")],
    reason: Reason = "",
    author: Author = "",
    force: Force = False,
    urgent: Urgent = False,
    yes: Yes = False,
    address: Address = ADDRESS,
    timeout: Patience = 120.0,
    output: Output = Format.TEXT,
) -> None:
    """Take back an entry of the Timeline that is not in force yet, and what follows from it.

    Both entries stay in the Timeline; neither takes force.
    """
    from einklang.v1 import ruleset_pb2 as pb
    from server import timeline_cli

    asked = _asked(address, timeout, author, reason, force, urgent)
    with _told(output):
        entries, _ = timeline_cli.all_entries(asked)
        meant = timeline_cli.entry_of(f"#{entry.removeprefix('#')}", entries)
        what, when = timeline_cli.what(meant), _local(meant.effective_from_us)
        _confirm(f"Take back entry {meant.sequence} ({what}, from {when})?", yes, output)
        request = pb.CancelScheduledRequest(sequence=meant.sequence, **asked.words())
        _show_change(asked, "CancelScheduled", request, output)


@app.command(
    epilog=_examples(
        'einklang rollback --reason "prices were wrong"',
        "einklang rollback '#12' --reason 'back to last week' --yes",
        "einklang rollback 3f2a91 --reason 'back to last week'",
    ),
)
def rollback(
    revision: Annotated[
        str, typer.Argument(metavar="[REV]", help="#ENTRY or the beginning of a digest; else the one before.")
    ] = "",
    at: At = "",
    reason: Reason = "",
    author: Author = "",
    force: Force = False,
    urgent: Urgent = False,
    yes: Yes = False,
    address: Address = ADDRESS,
    timeout: Patience = 120.0,
    output: Output = Format.TEXT,
) -> None:
    """Put the ruleset before the present one in force again, or an earlier one.

    A further entry does it; nothing is removed. What is scheduled stays scheduled, what is paused stays paused.
    """
    from einklang.v1 import ruleset_pb2 as pb
    from server import timeline_cli

    _needs_reason(reason)
    asked = _asked(address, timeout, author, reason, force, urgent)
    with _told(output):
        entries, last = timeline_cli.all_entries(asked)
        to = timeline_cli.entry_of(revision, entries) if revision else None
        at_us = timeline_cli.when(at, last.store_time_us)
        meant = f"to entry {to.sequence} ({to.ruleset_digest[:12]}…, {to.author})" if to else "to the ruleset before"
        _confirm(f"Go back {meant}, {_at(at_us)}?", yes, output)
        request = pb.RollbackRequest(to_sequence=to.sequence if to else 0, effective_from_us=at_us, **asked.words())
        _show_change(asked, "Rollback", request, output)


@app.command(
    epilog=_examples(
        'einklang pause pasta-3-for-2 --until +2h --reason "out of stock"',
        'einklang pause pasta-3-for-2 --at +1h --until 2026-12-01T06:00+01:00 --reason "wrong price"',
    ),
)
def pause(
    promotion: Annotated[str, typer.Argument(metavar="NAME", help="The promotion.")],
    until: Annotated[
        str, typer.Option("--until", metavar="INSTANT", help="+2h, 2026-12-01T06:00+01:00, or local time.")
    ] = "",
    at: At = "",
    reason: Reason = "",
    author: Author = "",
    force: Force = False,
    urgent: Urgent = False,
    yes: Yes = False,
    address: Address = ADDRESS,
    timeout: Patience = 120.0,
    output: Output = Format.TEXT,
) -> None:
    """Take one promotion out until an instant; then it comes back by itself.

    The other rules stay as they are. What is published meanwhile is paused too.
    """
    from einklang.v1 import ruleset_pb2 as pb
    from server import timeline_cli

    if not until:
        _usage("say until when: --until +2h, or an instant")
    _needs_reason(reason)
    asked = _asked(address, timeout, author, reason, force, urgent)
    with _told(output):
        now_us = timeline_cli.timeline(asked, page_size=1).store_time_us
        at_us, until_us = timeline_cli.when(at, now_us), timeline_cli.when(until, now_us)
        _confirm(f"Pause {promotion} {_at(at_us)}, until {_local(until_us)}?", yes, output)
        request = pb.PauseRequest(promotion=promotion, effective_from_us=at_us, until_us=until_us, **asked.words())
        _show_change(asked, "Pause", request, output)


@app.command(epilog=_examples("einklang resume pasta-3-for-2", "einklang resume pasta-3-for-2 --at +10m"))
def resume(
    promotion: Annotated[str, typer.Argument(metavar="NAME", help="The promotion.")],
    at: At = "",
    reason: Reason = "",
    author: Author = "",
    force: Force = False,
    urgent: Urgent = False,
    yes: Yes = False,
    address: Address = ADDRESS,
    timeout: Patience = 120.0,
    output: Output = Format.TEXT,
) -> None:
    """Bring a paused promotion back before its pause ends."""
    from einklang.v1 import ruleset_pb2 as pb
    from server import timeline_cli

    asked = _asked(address, timeout, author, reason, force, urgent)
    with _told(output):
        at_us = timeline_cli.when(at, timeline_cli.timeline(asked, page_size=1).store_time_us)
        _confirm(f"Resume {promotion} {_at(at_us)}?", yes, output)
        request = pb.ResumeRequest(promotion=promotion, effective_from_us=at_us, **asked.words())
        _show_change(asked, "Resume", request, output)


@app.command(
    epilog=_examples(
        "einklang log -n 5",
        "einklang log --verify",
        "einklang log --follow --format json",
    ),
)
def log(
    count: Annotated[int, typer.Option("-n", min=1, max=1_000, metavar="N", help="The latest N entries.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with entries as they are appended.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the chain of hashes from the first entry on.")
    ] = False,
    address: Address = ADDRESS,
    timeout: Timeout = 10.0,
    output: Output = Format.TEXT,
) -> None:
    """Show who changed what, when and why: the Timeline, the latest entry last.

    With --verify every entry is fetched with the bytes that were hashed, and the chain computed again here. Ends with 1
    where it does not hold. With --format json: one entry a line.
    """
    from server import timeline_cli

    asked = timeline_cli.Asked(address, timeout)
    with _told(output, wrong=FINDINGS):
        if verify:
            entries, last = timeline_cli.all_entries(asked, with_records=True)
            timeline_cli.verify(entries)
            shown = entries[-count:]
        else:
            last = timeline_cli.timeline(asked, page_size=count)
            shown = list(last.entries)
        for entry in shown:
            _show_entry(entry, output)
        if verify:
            head = f", the last hash is {entries[-1].entry_hash}" if entries else ""
            _say(
                f"the chain holds: {_count(len(entries), 'entry').replace('entrys', 'entries')}{head}",
                "green",
                to=sys.stderr if output is Format.JSON else None,
            )
        elif not shown and not follow:
            _say("the Timeline is empty; begin with: einklang publish DIR", to=sys.stderr)
        if follow:
            _follow(asked, shown[-1].sequence + 1 if shown else 1, output)


@app.command(
    epilog=_examples(
        "einklang status",
        "einklang status --address till-7:50051 --format json",
        "einklang status --publication cli-9f86d081884c7d65",
    ),
)
def status(
    address: Address = ADDRESS,
    timeout: Timeout = 5.0,
    output: Output = Format.TEXT,
    publication: Annotated[
        str, typer.Option("--publication", metavar="ID", help="Only what became of this publication.")
    ] = "",
) -> None:
    """Show whether a server is ready, the ruleset in force, what is scheduled, the Timeline, and the nodes.

    Ends with 1 where the server does not answer or is not ready, or the publication was refused.
    """
    import grpc

    from einklang.v1 import ruleset_pb2, ruleset_pb2_grpc
    from server import client, receipt, timeline_cli

    try:
        if publication:
            found = timeline_cli.look_up(timeline_cli.Asked(address, timeout), publication)
            _say(client.to_json(found) if output is Format.JSON else timeline_cli.state_of(found))
            if found.state == ruleset_pb2.PUBLICATION_STATE_REFUSED:
                raise typer.Exit(FINDINGS)
            return
        with client.channel(address) as connection:
            stub = ruleset_pb2_grpc.RulesetServiceStub(connection)
            request = ruleset_pb2.GetTimelineRequest(page_size=10)
            timeline = client.call(stub.GetTimeline, request, address=address, timeout_s=timeout)
            nodes, unknown = None, ""
            try:
                asked = ruleset_pb2.ListNodesRequest()
                nodes = client.call(stub.ListNodes, asked, address=address, timeout_s=timeout)
            except client.CallFailed as error:
                unknown = str(error)
            try:
                ready = client.is_serving(connection, client.SERVICE, timeout)
            except grpc.RpcError as error:
                raise client.failed(error, address) from None
    except client.CallFailed as error:
        _refused(error, output)
    if output is Format.JSON:
        state = {"address": address, "ready": ready, "timeline": json.loads(client.to_json(timeline))}
        if nodes is not None:
            state["nodes"] = json.loads(client.to_json(nodes))
        _say(json.dumps(state, ensure_ascii=False))
    else:
        _say(f"{address} is {'ready' if ready else 'not ready'}", "green" if ready else "red")
        if apart := timeline_cli.cut_off(timeline):
            _say(apart, "yellow")
        _say(receipt.timeline(timeline))
        _say("\n" + (timeline_cli.nodes(nodes) if nodes is not None else f"nodes      not known: {unknown}"))
    if not ready:
        raise typer.Exit(FINDINGS)


app.command(epilog=cli_nodes.SERVE_EXAMPLES)(cli_nodes.serve)
app.command(epilog=cli_nodes.EDGE_EXAMPLES)(cli_nodes.edge)
app.command(epilog=cli_nodes.PRUNE_EXAMPLES)(cli_nodes.prune)
app.add_typer(cli_nodes.key)


# ---------------------------------------------------------------------------------------------------- small things


def _asked(address: str, timeout: float, author: str, reason: str, force: bool, urgent: bool) -> Asked:
    """Whom to ask, and who asks."""
    from server.timeline_cli import Asked

    return Asked(address, timeout, _author(author), reason, force, urgent)


def _author(author: str) -> str:
    """The user at this terminal, if nobody else is named."""
    import getpass

    if not author:
        with suppress(OSError, KeyError):
            author = getpass.getuser()
    if not author:
        _usage("say who asks: --author NAME")
    return author


def _needs_reason(reason: str) -> None:
    if not reason:
        _usage("say why: --reason TEXT; it stands in the Timeline")


def _local(us: int) -> str:
    from server.instants import local

    return local(us)


def _at(at_us: int) -> str:
    return f"at {_local(at_us)}" if at_us else "as soon as every node can know of it"


@contextmanager
def _told(output: Format, wrong: int = USAGE) -> Iterator[None]:
    """What goes wrong, told; ends with 1, or with `wrong` where what was typed cannot be."""
    from server import client, timeline_cli

    try:
        yield
    except timeline_cli.Unfit as error:
        _say(f"einklang: {error}", "red", to=sys.stderr)
        raise typer.Exit(wrong) from None
    except client.CallFailed as error:
        _refused(error, output)


def _confirm(question: str, yes: bool, output: Format) -> None:
    """Ask the person at the terminal, if there is one. Ends with 1 where it says no."""
    if yes or output is Format.JSON or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    if not typer.confirm(_visible(question)):
        _say("nothing was changed", to=sys.stderr)
        raise typer.Exit(FINDINGS)


def _with_progress(publication: Publication, output: Format) -> PublishResponse:
    """Publish, each step being told: on a terminal in one line that changes, else a line each. A Ctrl-C ends the
    command and not the publication; it says how to look that up."""
    from rich.console import Console

    from einklang.v1 import ruleset_pb2
    from server import timeline_cli

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    try:
        if output is Format.JSON:
            return publication.publish(lambda _: None)
        if not console.is_terminal:
            return publication.publish(lambda line: _say(f"   {line}", to=sys.stderr))
        with console.status("sending the files", spinner="line") as shown:
            return publication.publish(shown.update)
    except KeyboardInterrupt:
        if publication.id:
            known = publication.last.state
            _say(timeline_cli.state_of(publication.last) if known else "the files were being sent", to=sys.stderr)
            if known != ruleset_pb2.PUBLICATION_STATE_COMMITTED:
                look = f"einklang status --publication {publication.id} --address {publication.address}"
                _say(f"it goes on at the server once it has all files; look it up: {look}", to=sys.stderr)
        raise typer.Exit(FINDINGS) from None


def _show_change(asked: Asked, method: str, request: Message, output: Format) -> None:
    """Ask for a change, and show the entry that it became."""
    from server import client, timeline_cli

    response = timeline_cli.changed(asked, method, request)
    if output is Format.JSON:
        _say(client.to_json(response))
        return
    now_us = timeline_cli.timeline(asked, page_size=1).store_time_us
    entry = response.entry
    _say(f"entry {entry.sequence}   {timeline_cli.what(entry)}   ruleset {entry.ruleset_digest[:16]}…", "green")
    if method == "CancelScheduled":
        return
    _say(timeline_cli.in_force_line(entry.effective_from_us, now_us), "green")
    if entry.until_us:
        _say(f"comes back at {_local(entry.until_us)}", "green")


def _show_entry(entry: TimelineEntry, output: Format) -> None:
    from server import client, timeline_cli

    if output is Format.JSON:
        _say(json.dumps(json.loads(client.to_json(entry)), ensure_ascii=False))
        return
    from rich.console import Console

    width = Console().width if sys.stdout.isatty() else 1_000
    head, *rest = timeline_cli.log_lines([entry], width)
    _say(head, "bold")
    _say("\n".join(rest))


def _follow(asked: Asked, since: int, output: Format) -> None:
    """Entries as they are appended, until Ctrl-C."""
    from server import timeline_cli

    with suppress(KeyboardInterrupt):
        for entry in timeline_cli.followed(asked, since):
            _show_entry(entry, output)
            sys.stdout.flush()


def _project(directory: Path) -> dict[str, bytes]:
    """The files of the project. Ends with 64 where there is none."""
    from server.publish import PublishFailed, read_project

    try:
        return read_project(directory)
    except PublishFailed as error:
        _usage(str(error))


def _examples_of(compilation: Compilation, directory: Path) -> list[Shown]:
    """The baskets that show findings, written. Ends with 64 where they cannot be."""
    from server.counterexamples import shown, write
    from server.kernels import CacheUnsafe
    from server.settings import BadSettings, load

    try:
        return write(shown(compilation, load().cache_dir, lambda text: _say(text, to=sys.stderr)), directory)
    except (BadSettings, CacheUnsafe) as error:
        _usage(str(error))
    except OSError as error:
        _usage(f"{directory}: {error.strerror}")


def _mended(directory: Path, files: dict[str, bytes], language: Spoken, *, diff: bool) -> dict[str, bytes]:
    """The files with their fixes applied; with `diff` as they are, and what would change is shown."""
    from server import mending

    outcome = mending.mended(directory, files, writing=not diff)
    if diff:
        _say_diff(outcome.differences)
    for result in outcome.results:
        if result.state == "left":
            _say(f"{result.path}: left as it is: {result.why}", "red", to=sys.stderr)
    if outcome.results and not diff:
        _say(outcome.summary(language.code), "green", to=sys.stderr)
    return outcome.files


def _report(
    compilation: Compilation,
    form: Report,
    directory: Path,
    language: Spoken,
    examples: Sequence[Shown] | None = None,
) -> None:
    """What is wrong, in this form."""
    from server import reports

    findings = compilation.diagnostics
    lang = language.code
    match form:
        case Report.TEXT:
            for shown in reports.text(findings, compilation.sources, lang):
                _say(shown)
            for one in examples or ():
                _say(f"{one.sentence(lang)}\n   einklang decide {one.path}")
        case Report.JSON:
            also = {} if examples is None else {"examples": [one.as_data() for one in examples]}
            _say(reports.as_json(findings, lang, also))
        case Report.GITHUB:
            for line in reports.github(findings, directory, lang):
                _say(line)
        case Report.SARIF:
            _say(reports.sarif(findings, directory, lang))


def _findings(compilation: Compilation, output: Format, language: Spoken = Spoken.EN) -> NoReturn:
    """Show why a project does not compile, and end with 1."""
    _report(compilation, Report(output.value), Path(), language)
    raise typer.Exit(FINDINGS)


def _show_changes(found: Sequence[Change], language: Spoken) -> None:
    """A line for each change, then how many there are."""
    from dsl.phrases import say
    from server.comparing import summary

    _show_lines(found, language)
    nothing = say("Nothing changes.").text(language.code)
    _say(f"{summary(found, language.code)}." if found else nothing, "" if found else "green")


def _show_lines(found: Sequence[Change], language: Spoken) -> None:
    """A line for each change, and an empty one."""
    from server.comparing import rows

    for sign, line in rows(found, language.code):
        _say(line, _SIGNS[sign])
    if found:
        _say("")


def _show_formatted(results: Sequence[Formatted], *, pending: bool, diff: bool) -> None:
    """What became of files; on stderr where stdout has text."""
    from dsl.diagnostics import render
    from server.formatting import difference, summary

    for result in results:
        if result.state == "left":
            _say(f"{result.path}: left as it is: {result.why}", "red", to=sys.stderr)
            for finding in result.findings:
                _say(render(finding, {result.path: result.before}) + "\n", to=sys.stderr)
        elif result.state == "reformatted" and diff:
            _say_diff(difference(result))
        elif result.state == "reformatted" and result.path != STDIN:
            _say(f"{'would reformat' if pending else 'reformatted'} {result.path}", to=sys.stderr)
    if results[0].path != STDIN:
        _say(summary(results, pending=pending), to=sys.stderr)


def _say_diff(text: str) -> None:
    """A diff: in colour for people, byte for byte for programs that apply it."""
    if not sys.stdout.isatty():
        sys.stdout.write(text)
        return
    for sign, lines in itertools.groupby(text.rstrip("\n").split("\n"), lambda line: line[:1]):
        _say("\n".join(lines), {"+": "green", "-": "red", "@": "cyan"}.get(sign, ""))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _is_code(text: str) -> bool:
    return len(text) == 5 and text[0] in "Pp" and text[1:].isdigit()


def _explain_name(name: str, directory: Path, language: Spoken) -> None:
    """A declaration as sentences. Ends with 64 where there is none of this name."""
    from dsl.parse import parse
    from dsl.project import assemble
    from dsl.sentence import sentence
    from dsl.wrong_forms import did_you_mean

    files = _project(directory)
    rules = [parse(path, data) for path, data in sorted(files.items()) if path.endswith(".promo")]
    project, _ = assemble([node for file in rules for node in file.declarations], files)
    text = sentence(project, name, language)
    if text is None:
        known = {name for table in project.named() for name in table}
        guess = did_you_mean(name, known)
        hint = f" Did you mean «{guess}»?" if guess else ""
        _usage(f"nothing of the project in {directory.resolve()} is called «{name}».{hint}")
    _say(text)


def _explain_code(code: str, language: Spoken) -> None:
    from dsl.diagnostics import explanation

    page = explanation(code.upper(), language.code)
    if page is None:
        _usage(f"there is no code {code.upper()}")
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    if console.is_terminal:
        console.print(Markdown(page))
    else:
        _say(page.rstrip())


def _text(path: str) -> str:
    """What a file holds, - being standard input. Ends with 64 where it cannot be read."""
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        _usage(f"{path}: there is no such file")
    except (OSError, UnicodeDecodeError) as error:
        _usage(f"{path}: cannot be read: {error}")


def _refused(error: CallFailed, output: Format) -> NoReturn:
    """Say why there is no answer, and end with 1."""
    if output is Format.JSON:
        from server.client import to_json

        _say(to_json(error.detail))
    else:
        _say(f"einklang: {error}", "red", to=sys.stderr)
    raise typer.Exit(FINDINGS)


if __name__ == "__main__":
    main()

"""The use cases from a shell. One JSON document on stdout with ``--json``; messages and logs go to stderr.

Exit codes: 0 the run completed (whatever its light), 2 bad configuration or input, 3 a dependency failed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from core.access import Principal
from core.errors import BudgetExceeded, ProviderError, StoreError, WorkbenchError

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Telltale: see what changed, learn why, tell who needs to know."
)
audit_app = typer.Typer(no_args_is_help=True, help="The audit chain.")
app.add_typer(audit_app, name="audit")
user_app = typer.Typer(no_args_is_help=True, help="Who may sign in.")
app.add_typer(user_app, name="user")
token_app = typer.Typer(no_args_is_help=True, help="Keys of programs.")
app.add_typer(token_app, name="token")

TenantOption = Annotated[str | None, typer.Option(help="Tenant; default TELLTALE_TENANT")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout")]


@contextmanager
def told() -> Iterator[None]:
    """Deliberate errors as one message on stderr and the right exit code; never a traceback."""
    try:
        yield
    except (ProviderError, StoreError, BudgetExceeded) as exc:
        typer.echo(f"error: {exc}", err=True)
        raise typer.Exit(3) from None
    except WorkbenchError as exc:
        typer.echo(f"error: {exc}", err=True)
        raise typer.Exit(2) from None


def show(document: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


@app.command()
def run(
    playbook: str,
    data: Annotated[Path | None, typer.Option(help="Folder whose files replace the playbook's own data")] = None,
    as_of: Annotated[str | None, typer.Option(help="Period to judge: YYYY-MM-DD or ISO; default the latest")] = None,
    tenant: Annotated[str | None, typer.Option(help="Tenant to run for")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report artifact")] = Path("reports"),
    now: Annotated[str | None, typer.Option(help="The time to run at (ISO), for replays")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Runs a playbook or saved source, keeps the run, and writes its report."""
    with told():
        from core.adapters.clock import FixedClock, SystemClock
        from core.bootstrap import build
        from core.pipeline import folder_files, parse_as_of
        from core.service import casework, inputs, runs
        from core.service.reports import write_report
        from core.settings import read_settings

        clock = FixedClock(_moment(now)) if now else SystemClock()
        settings = read_settings()
        if tenant:
            settings = settings.model_copy(update={"telltale_tenant": tenant})
        bench = build(settings, clock)
        who, at = Principal(user="cli", tenant=bench.tenant, role="admin"), parse_as_of(as_of)
        if playbook in bench.events:
            given = None if data is None else inputs.folder(_folder(data))
            done = casework.run(bench, who, playbook, files=given, as_of=at, kind="cli")
        else:
            files = None
            if data is not None:
                book = bench.builtin(playbook)
                files = {**dict.fromkeys(book.tables), **folder_files(book, _folder(data))}
            done = runs.run(bench, who, playbook, files=files, as_of=at, kind="cli")
        path = write_report(bench, done, out)
        if as_json:
            show(done.report)
            return
        typer.echo(f"{str(done.light).upper()}  {done.headline}")
        typer.echo(f"{_confidence(done.report)}{done.source} · {path}")


def _confidence(report: object) -> str:
    assert isinstance(report, dict)
    decided = report["decisions"]
    return f"confidence {max(float(d['confidence']) for d in decided):.2f} · " if decided else ""


def _folder(path: Path) -> Path:
    if not path.is_dir():
        from core.errors import InputError

        raise InputError(f"--data {path}: there is no such folder.", field="data")
    return path


def _moment(text: str) -> datetime:
    from core.errors import InputError

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"--now '{text}': expected an ISO 8601 time.", field="now") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


@app.command()
def load(
    csv: Path,
    to: Annotated[Path | None, typer.Option(help="Write the loaded rows to this .csv or .parquet file")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Shows what was understood of a file: encoding, delimiter, header, types, time column, rejected rows."""
    with told():
        from core.service import tools

        report = tools.load(csv, to)
        if as_json:
            show(report.to_json())
            return
        typer.echo(f"{report.rows_loaded} rows loaded, {report.rows_rejected} rejected")
        typer.echo(f"time column {report.time_column}: {report.frequency_note}")
        typer.echo(f"encoding {report.encoding}, delimiter {report.delimiter!r}, header in line {report.header_row}")
        typer.echo("columns: " + ", ".join(f"{c.name} ({c.type})" for c in report.columns))
        for guess in report.guesses:
            typer.echo(f"- {guess}")
        for reject in report.rejects[:10]:
            typer.echo(f"  line {reject.line}: {reject.reason}")


@app.command()
def check(
    csv: Path,
    suite: Annotated[Path | None, typer.Option(help="checks.yaml; default: a suite suggested from the file")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Runs Great Expectations checks over a file."""
    with told():
        from core.service import tools

        rows = tools.check(csv, suite)
        if as_json:
            show({"file": csv.name, "checks": rows})
            return
        for row in rows:
            typer.echo(f"{row['status']:7} {row['check']} {row['column'] or ''} {row['message']}")


@app.command()
def detect(
    csv: Path,
    time: Annotated[str, typer.Option(help="Time column")],
    value: Annotated[str, typer.Option(help="Value column")],
    scores: Annotated[Path, typer.Option(help="Where to write series_id, ts, score, is_anomaly")],
    key: Annotated[list[str] | None, typer.Option(help="Column that names the series; may be repeated")] = None,
    detector: Annotated[str, typer.Option(help="Detector")] = "combined",
    country: Annotated[str | None, typer.Option(help="Country whose public holidays are known, e.g. US")] = None,
) -> None:
    """Scores every point of every series of a file."""
    with told():
        from core.service import tools

        n, alarms = tools.detect(
            csv, time=time, value=value, keys=tuple(key or ()), detector=detector, country=country, out=scores
        )
        typer.echo(f"{n} points scored, {alarms} alarms, written to {scores}", err=True)


@app.command()
def attribute(
    csv: Path,
    metric: Annotated[str, typer.Option(help="Value column")],
    dims: Annotated[str, typer.Option(help="Dimension columns, comma separated")],
    before: Annotated[str, typer.Option(help="Period before: a time, or START..END")],
    after: Annotated[str, typer.Option(help="Period after: a time, or START..END")],
    over: Annotated[str | None, typer.Option(help="Denominator column of a ratio")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Which slices of the dimensions explain the change of a metric between two periods."""
    with told():
        from core.service import tools

        found = tools.attribute(
            csv, metric=metric, over=over, dims=tuple(d.strip() for d in dims.split(",")), before=before, after=after
        )
        if as_json:
            show(tools.attribution_json(found))
            return
        typer.echo(f"{metric} {found.before:,.6g} -> {found.after:,.6g} ({found.change:+,.6g})")
        for i, s in enumerate(found.slices):
            share = "n/a" if s.share_pct is None else f"{s.share_pct:+.1f}%"
            typer.echo(f"{'*' if i < found.causes else ' '} {s.label:40} {s.contribution:+,.6g}  {share} of the change")


@app.command()
def explain(incident: str, as_json: JsonFlag = False) -> None:
    """The explanation kept with an incident."""
    with told():
        from core.audit.report import incident_json
        from core.bootstrap import workbench
        from core.service import incidents

        bench = workbench()
        found = incidents.get(bench, Principal(user="cli", tenant=bench.tenant, role="admin"), incident)
        if as_json:
            show(incident_json(found))
            return
        typer.echo(found.title)
        text = found.body["explanation"]
        typer.echo(text["text"] if isinstance(text, dict) else "")


@app.command()
def generate(
    playbook: str,
    seed: Annotated[int, typer.Option(help="Same seed, same files")],
    out: Annotated[Path, typer.Option(help="Folder to write into")],
) -> None:
    """Writes a seeded, made-up data set in the playbook's own file formats."""
    with told():
        from core.service import tools

        for path in tools.generate(playbook, seed, out):
            typer.echo(str(path))


@audit_app.command()
def verify(as_json: JsonFlag = False) -> None:
    """Whether every line of the audit still is as it was written. Exit code 3 when it is not."""
    with told():
        from core.bootstrap import workbench

        bench = workbench()
        with bench.store.read() as books:
            found, lines = books.audit.verify(bench.tenant), books.audit.count(bench.tenant)
        document = {"ok": found.ok, "lines": lines, "first_bad_seq": found.bad_seq, "reason": found.why}
        if as_json:
            show(document)
        else:
            typer.echo(
                f"audit chain intact: {lines} lines"
                if found.ok
                else f"audit chain BROKEN at {found.bad_seq}: {found.why}"
            )
    if not found.ok:
        raise typer.Exit(3)


@user_app.command("add")
def user_add(
    email: str,
    role: Annotated[str, typer.Option(help="viewer, responder or admin")],
    tenant: TenantOption = None,
) -> None:
    """Lets a person sign in with this verified e-mail address; the first administrator is made this way."""
    with told():
        from core.bootstrap import workbench
        from core.service import people

        bench = workbench()
        who = Principal(user="cli", tenant=tenant or bench.tenant, role="admin")
        added = people.add_user(bench, who, email, role)
        typer.echo(f"{added.email} may sign in as {added.role} of {added.tenant}")


@user_app.command("list")
def user_list(tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """Everybody who may sign in, or may no longer."""
    with told():
        from core.bootstrap import workbench
        from core.service import people

        bench = workbench()
        found = people.users(bench, Principal(user="cli", tenant=tenant or bench.tenant, role="admin"))
        rows = [
            {
                "email": u.email,
                "role": u.role,
                "tenant": u.tenant,
                "access": u.disabled_at is None,
                "last_seen": u.last_seen_at.isoformat() if u.last_seen_at else None,
            }
            for u in found
        ]
        if as_json:
            show(rows)
            return
        for row in rows:
            typer.echo(f"{row['role']:9} {row['email']}" + ("" if row["access"] else "  (no access)"))


@token_app.command("add")
def token_add(
    name: str,
    scope: Annotated[list[str], typer.Option(help="What it may do; may be repeated")],
    days: Annotated[int, typer.Option(help="How long it lasts")] = 90,
    tenant: TenantOption = None,
) -> None:
    """Makes a token for a program and prints it: it is not shown again."""
    with told():
        from core.bootstrap import workbench
        from core.service import tokens

        bench = workbench()
        who = Principal(user="cli", tenant=tenant or bench.tenant, role="admin")
        kept, secret = tokens.add(bench, who, name, scope, days)
        typer.echo(f"{', '.join(kept.scopes)} until {kept.expires_at:%Y-%m-%d}", err=True)
        typer.echo(secret)


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8501,
    address: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
) -> None:
    """Starts the workbench in the browser."""
    import subprocess

    root = Path(__file__).parent
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(root / "app.py"),
        "--server.port",
        str(port),
        "--server.address",
        address,
    ]
    raise typer.Exit(subprocess.call(command, cwd=root))  # noqa: S603 - our own interpreter and arguments


if __name__ == "__main__":
    app()

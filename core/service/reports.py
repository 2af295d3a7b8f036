"""Report artifacts as files."""

from __future__ import annotations

import json
from pathlib import Path

from core.errors import InputError
from core.model import Run
from core.playbook import NotifySpec
from core.service.workbench import Workbench


def artifact_name(wb: Workbench, playbook: str) -> str:
    """The file name of a playbook's report."""
    known = wb.playbooks.get(playbook) or wb.events.get(playbook)
    return (known.notify if known else NotifySpec()).artifact


def artifact(run: Run) -> bytes:
    """The report as it is written, shown and attached: UTF-8 JSON."""
    return (json.dumps(run.report, ensure_ascii=False, indent=1) + "\n").encode()


def write_report(wb: Workbench, run: Run, folder: Path) -> Path:
    """Writes the artifact into ``folder``, the newest under its plain name and each run under its own.

    Raises: InputError when the folder cannot be written.
    """
    name = artifact_name(wb, run.playbook)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{run.id}.json").write_bytes(artifact(run))
        path = folder / name
        path.write_bytes(artifact(run))
    except OSError as exc:
        raise InputError(f"{folder}: the report cannot be written ({exc.strerror}).", field="out") from None
    return path

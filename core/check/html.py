"""Great Expectations' own validation page for a finished run, as one file that loads nothing from anywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.check.workspace import load_gx
from core.model import CheckStatus, Json, JsonObject

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )

OURS = ("row_rule", "freshness")  # they ran as UnexpectedRowsExpectation

# The page asks eight hosts for scripts, styles, a font and a logo. All of that is taken out, and the policy
# makes a browser refuse what might have been missed; the few styles that the tables need stand here.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#1f2937;background:#fff}
.container-fluid>.row{display:flex;flex-wrap:wrap}.ge-section>.row{display:block}
.col-lg-2{flex:0 0 15rem;padding:0 1rem}.col-lg-10{flex:1 1 40rem;min-width:0}
.alert{background:#eef1f4;padding:.4rem .8rem;border-radius:.3rem;margin:1.2rem 0 .6rem}h5,h6,p{margin:0}
table{border-collapse:collapse;margin:.3rem 0}td,th{border-bottom:1px solid #d5dae0;padding:.3rem .7rem;text-align:left;
vertical-align:top}.badge{background:#e2e6ea;border-radius:.25rem;padding:0 .35rem}.text-danger{color:#b42318}
.text-success{color:#1a7f4b}.text-warning{color:#a15c00}.fa-times::before{content:"\\2717 failed"}
.fa-check-circle::before{content:"\\2713 passed"}.fa-exclamation-triangle::before{content:"\\26A0 error"}
i.fas{font-style:normal}.alert i.fas::before{content:""}
h5,h6{font-size:1rem}.sticky>.card:first-child{display:none}ul{list-style:none;padding:0}a{color:inherit}
@media(prefers-color-scheme:dark){body{background:#14171c;color:#e5e7eb}.alert,.badge{background:#262b33}
td,th{border-color:#343a44}.text-danger{color:#ff8b7e}.text-success{color:#5fd39a}}
"""

# The page does not escape table cells. So no text of ours holds a markup character while it is rendered:
# private-use characters stand in for them and become entities at the very end.
_HIDDEN = str.maketrans({"&": "\ue000", "<": "\ue001", ">": "\ue002", '"': "\ue003", "'": "\ue004"})
_SHOWN = str.maketrans({"\ue000": "&amp;", "\ue001": "&lt;", "\ue002": "&gt;", "\ue003": "&quot;", "\ue004": "&#39;"})


def report_html(rows: Sequence[JsonObject], *, title: str, at: datetime) -> bytes:
    """The page of a run from its stored results (``to_rows``), one part per table.

    The page makes no request when it is opened: scripts, links and images of other hosts are removed.
    """
    load_gx()
    from great_expectations.render.components import RenderedDocumentContent
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    title = title.translate(_HIDDEN)
    hidden = [{key: _hide(cell) for key, cell in row.items()} for row in rows]
    sections: list[Any] = []
    for table in dict.fromkeys(str(row["table"]) for row in hidden):
        mine = [row for row in hidden if row["table"] == table]
        page = ValidationResultsPageRenderer().render(_suite(table, mine, title, at))
        for section in page.sections:
            section.section_name = f"{table}: {section.section_name}"
        sections += page.sections
    document = RenderedDocumentContent(
        renderer_type="ValidationResultsPageRenderer", page_title=title, expectation_suite_name=title, sections=sections
    )
    page_text: str = DefaultJinjaPageView().render(document)  # type: ignore[no-untyped-call]  # GX has no types there
    return alone(page_text).translate(_SHOWN).encode()


def alone(page: str) -> str:
    """``page`` without anything that a browser would fetch or run."""
    page = re.sub(r"<script\b.*?</script\s*>", "", page, flags=re.DOTALL | re.IGNORECASE)
    page = re.sub(r"<style\b.*?</style\s*>", "", page, flags=re.DOTALL | re.IGNORECASE)
    page = re.sub(r"<(link|img)\b[^>]*>", "", page, flags=re.IGNORECASE)
    page = re.sub(
        r"<nav class=\"navbar navbar-expand.*?</nav>\s*</div>\s*</nav>|<footer.*?</footer>", "", page, flags=re.DOTALL
    )
    page = re.sub(r"\s(on\w+|src)=\"[^\"]*\"", "", page)
    page = re.sub(r"\shref=\"(?!#)[^\"]*\"", "", page)
    head = f'<head><meta http-equiv="Content-Security-Policy" content="{_POLICY}"><style>{_STYLE}</style>'
    return page.replace("<head>", head, 1)


def _hide(value: Json) -> Json:
    if isinstance(value, str):
        return value.translate(_HIDDEN)
    if isinstance(value, Mapping):
        return {str(_hide(k)): _hide(v) for k, v in value.items()}
    return [_hide(v) for v in value] if isinstance(value, Sequence) else value


def _suite(table: str, rows: Sequence[JsonObject], title: str, at: datetime) -> ExpectationSuiteValidationResult:
    from great_expectations import __version__
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult

    passed = sum(row["status"] == CheckStatus.PASSED for row in rows)
    run_time = at.astimezone(UTC).isoformat()
    return ExpectationSuiteValidationResult(
        success=passed == len(rows),
        results=[_result(row) for row in rows],
        suite_name=table,
        statistics={
            "evaluated_expectations": len(rows),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(rows) - passed,
            "success_percent": 100.0 * passed / len(rows),
        },
        meta={
            "great_expectations_version": __version__,
            "run_id": {"run_name": title, "run_time": run_time},
            "batch_spec": {"data_asset_name": table},
        },
    )


def _result(row: JsonObject) -> ExpectationValidationResult:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    raised = row["status"] == CheckStatus.ERROR
    params = row["params"]
    kwargs: dict[str, Json] = dict(params) if isinstance(params, Mapping) else {}
    if row["column"]:
        kwargs["column"] = row["column"]
    kind, description = str(row["check"]), None
    if kind in OURS:  # a row predicate is shown by its sentence
        kind, description = "unexpected_rows_expectation", str(row["message"])
        kwargs = {"unexpected_rows_query": "SELECT * FROM {batch}"}
    return ExpectationValidationResult(
        success=row["status"] == CheckStatus.PASSED,
        expectation_config=ExpectationConfiguration(type=kind, kwargs=kwargs, description=description),
        result={} if raised else _seen(row),
        exception_info={
            "raised_exception": raised,
            "exception_message": row["message"] if raised else None,
            "exception_traceback": "" if raised else None,
        },
    )


def _seen(row: JsonObject) -> dict[str, object]:
    observed = str(row["observed"]).removeprefix("it is ").removeprefix("it has ")
    if not row["rows"]:
        return {"observed_value": observed}
    sample = row["sample"]
    cells = [_cell(found, str(row["column"])) for found in sample] if isinstance(sample, list) else []
    return {
        "observed_value": observed,
        "element_count": row["rows"],
        "unexpected_count": row["unexpected_count"],
        "unexpected_percent": row["unexpected_pct"],
        "partial_unexpected_list": cells,
    }


def _cell(found: Json, column: str) -> Json:
    if not isinstance(found, Mapping):
        return None
    return found[column] if column in found else ", ".join(f"{k} = {v}" for k, v in found.items())

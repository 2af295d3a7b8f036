"""Sources to tables: files of any common format, and SQL. Every row is loaded or listed as rejected."""

from core.load import alerts as alerts
from core.load import order_loader as order_loader
from core.load import segment_loader as segment_loader
from core.load import services as services
from core.load.export import write_csv
from core.load.file import load_file
from core.load.options import LoadOptions
from core.load.rejects import rejects_csv
from core.load.report import Loaded, LoadedColumn, LoadReport
from core.load.sql import load_select
from core.load.strict import load_strict

__all__ = [
    "LoadOptions",
    "LoadReport",
    "Loaded",
    "LoadedColumn",
    "load_file",
    "load_select",
    "load_strict",
    "rejects_csv",
    "write_csv",
]

from __future__ import annotations

import pytest

from core.errors import NotFound
from core.store.books import Store
from tests.store.samples import NOW, SOON


def test_check_runs_are_listed_newest_first_and_give_their_page(store: Store) -> None:
    with store.begin() as books:
        first = books.check_runs.add("acme", "sales", NOW, [{"check": "not_null", "status": "failed"}])
        second = books.check_runs.add("acme", "sales", SOON, [], "<html>é</html>".encode())
        books.check_runs.add("acme", "traffic", NOW, [])
        assert [c.id for c in books.check_runs.list("acme", "sales")] == [second, first]
        assert len(books.check_runs.list("acme")) == 3
        assert books.check_runs.list("acme", "sales", limit=1)[0].html is None
        assert books.check_runs.get("acme", second).html == "<html>é</html>".encode()
        assert books.check_runs.get("acme", first).results == [{"check": "not_null", "status": "failed"}]
        with pytest.raises(NotFound):
            books.check_runs.get("other", first)

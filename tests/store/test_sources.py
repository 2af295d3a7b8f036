from __future__ import annotations

from datetime import timedelta

import pytest

from core.errors import InputError, NotFound
from core.store.books import Store
from tests.store.samples import NOW, SOON


def test_every_save_is_a_new_version_and_old_ones_stay(store: Store) -> None:
    with store.begin() as books:
        books.sources.save("acme", "sales", {"time": "date"}, "ana", NOW)
        second = books.sources.save("acme", "sales", {"time": "day"}, "bo", SOON)
        assert (second.version, second.definition, second.saved_by, second.saved_at) == (2, {"time": "day"}, "bo", SOON)
        assert books.sources.get("acme", "sales") == second
        assert books.sources.get("acme", "sales", 1).definition == {"time": "date"}
        assert [s.version for s in books.sources.versions("acme", "sales")] == [2, 1]
        assert books.sources.list("acme") == (second,)
        assert books.sources.list("other") == ()


def test_a_deleted_source_can_be_brought_back(store: Store) -> None:
    with store.begin() as books:
        kept = books.sources.save("acme", "sales", {"a": 1}, "ana", NOW)
        books.sources.save("acme", "traffic", {}, "ana", NOW)
        books.sources.delete("acme", "sales", SOON)
        with pytest.raises(NotFound):
            books.sources.get("acme", "sales")
        assert [s.name for s in books.sources.list("acme")] == ["traffic"]
        assert [s.name for s in books.sources.list("acme", deleted=True)] == ["sales"]
        assert books.sources.undelete("acme", "sales") == kept
        with pytest.raises(NotFound):
            books.sources.delete("acme", "nothing", SOON)


def test_saving_a_deleted_name_starts_its_next_version(store: Store) -> None:
    with store.begin() as books:
        books.sources.save("acme", "sales", {}, "ana", NOW)
        books.sources.delete("acme", "sales", NOW)
        assert books.sources.save("acme", "sales", {}, "ana", NOW + timedelta(days=1)).version == 2
        assert len(books.sources.list("acme")) == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_a_name_has_a_length(store: Store, name: str) -> None:
    with store.begin() as books, pytest.raises(InputError, match="1 to 200"):
        books.sources.save("acme", name, {}, "ana", NOW)

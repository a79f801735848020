"""The stores against the shipped suite, and what is special to each."""

import pytest

from graft.backends.stores.store_lancedb import LanceStore
from graft.testing.fakes import MemoryStore
from graft.testing.retrieval import StoreConformance


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def make_store(self, tmp_path):
        return lambda: MemoryStore(tmp_path / "store")


class TestLanceStore(StoreConformance):
    @pytest.fixture
    def make_store(self, tmp_path):
        return lambda: LanceStore(tmp_path / "store")


class TestLanceStoreOverItsMemoryBudget(StoreConformance):
    @pytest.fixture
    def make_store(self, tmp_path):
        return lambda: LanceStore(tmp_path / "store", LanceStore.Options(memory_mb=0))

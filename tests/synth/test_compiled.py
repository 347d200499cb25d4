from ilrm_cli.runtime.kernels import numba, shared_kernel


def test_kernels_run_where_compiled_code_cannot_be_kept(monkeypatch):
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])

    @shared_kernel
    def kept_nowhere(x):
        return x + 1

    assert kept_nowhere(1) == 2
    assert not kept_nowhere.stats.cache_hits

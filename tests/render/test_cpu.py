from ilrm_cli.render.cpu import rasterizer
from ilrm_cli.render.rasterize import prepare


def test_after_warming_up_kernels_are_cached():
    rasterizer.warm_up(gradients=True)
    assert rasterizer.is_compiled()


def test_gradients_are_compiled_where_only_pictures_were_drawn(monkeypatch):
    """Their kernels are requested separately: a first `--refine` must not wait without a word."""
    left_behind = {"project", "blend_tiles"}
    monkeypatch.setattr(rasterizer, "is_cached", lambda kernel: kernel.py_func.__name__ in left_behind)
    assert rasterizer.is_compiled()
    assert not rasterizer.is_compiled(gradients=True)
    told = []
    prepare("cpu", gradients=True, report=told.append)
    assert [step.stage for step in told] == ["compiling the renderer, once"] * 2

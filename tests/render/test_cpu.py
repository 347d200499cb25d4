from ilrm_cli.render import cpu


def test_after_warming_up_kernels_are_cached():
    cpu.warm_up(gradients=True)
    assert cpu.is_compiled()

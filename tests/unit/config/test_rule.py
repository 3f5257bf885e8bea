"""What an assert without a message has expected is read from its source."""

from condinst.config.rule import broken_rule


def failed(work) -> AssertionError:
    try:
        work()
    except AssertionError as error:
        return error
    raise RuntimeError("nothing failed")


class Neck:
    def __init__(self, num_outs: int) -> None:
        self.num_ins = 4
        big = object()
        assert big is not None
        assert (
            num_outs
            >= self.num_ins
        )  # fmt: skip


def test_the_condition_and_its_values_are_told():
    text = broken_rule(failed(lambda: Neck(2)))
    assert text == "expected num_outs >= self.num_ins, got num_outs=2, self.num_ins=4"


def test_without_a_source_nothing_is_told():
    space: dict = {}
    exec("def work():\n    assert False", space)
    assert broken_rule(failed(space["work"])) is None

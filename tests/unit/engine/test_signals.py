"""Ctrl-C ends a training as such, whatever the code that it interrupts makes of it."""

import signal

import pytest

from condinst.engine.signals import stop_on_signals


def interrupt_and_replace() -> None:
    """mmengine formats a config in a try block whose bare except raises SyntaxError."""
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        raise SyntaxError("Failed to format the config file")  # noqa: B904 (as mmengine does)


def test_an_interruption_that_was_replaced_is_one(capsys):
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        interrupt_and_replace()
    assert "Interrupted; " in capsys.readouterr().err


def test_another_error_stays(capsys):
    with pytest.raises(SyntaxError), stop_on_signals():
        raise SyntaxError("a mistake")
    assert "Interrupted" not in capsys.readouterr().err

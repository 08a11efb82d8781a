"""Runs the tests of one file and counts them in the last line, as ctest's summary wants it."""

import signal
import sys
import unittest


def main():
    # Told to end, a test still cleans up behind itself.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    for test, reason in result.skipped:
        print(f"SKIPPED {test}: {reason}")
    failed = len(result.failures) + len(result.errors)
    # A skipped class counts once and was never run.
    passed = max(result.testsRun - failed - len(result.skipped), 0)
    skipped = f", {len(result.skipped)} skipped" if result.skipped else ""
    print(f"{passed} passed, {failed} failed{skipped}")
    sys.exit(0 if result.wasSuccessful() else 1)

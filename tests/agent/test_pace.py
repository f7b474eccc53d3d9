"""The device's pace: learned from what it does, kept over restarts, steady under noise."""

from __future__ import annotations

import pytest

from edgewright.agent.disk.pace import NAME, PaceMeter
from edgewright.contract.report import Pace

MIB = 1024 * 1024


@pytest.fixture
def meter(tmp_path) -> PaceMeter:
    return PaceMeter(tmp_path)


def test_nothing_is_claimed_before_anything_was_measured(meter):
    assert meter.pace == Pace()


def test_a_download_tells_the_rate_of_the_line_and_the_wait_before_it(meter):
    meter.downloaded(10 * MIB, request_s=0.2, body_s=10.0)

    assert meter.pace.download_bytes_s == pytest.approx(MIB, rel=0.05)
    assert meter.pace.request_s == pytest.approx(0.2)


def test_a_line_that_becomes_slower_is_believed_after_a_few_downloads(meter):
    meter.downloaded(10 * MIB, request_s=0.1, body_s=1.0)
    for _ in range(8):
        meter.downloaded(MIB, request_s=0.1, body_s=10.0)

    assert meter.pace.download_bytes_s < 0.2 * MIB


def test_small_answers_tell_the_wait_only(meter):
    meter.downloaded(700, request_s=0.3, body_s=0.0)

    assert meter.pace == Pace(request_s=0.3)


def test_applying_deltas_tells_the_rate_of_this_machine(meter):
    meter.applied(1000, 0.4)
    assert meter.pace.apply_bytes_s == 0.0

    meter.applied(30 * MIB, 2.0)

    assert meter.pace.apply_bytes_s == pytest.approx(15 * MIB, rel=0.05)


def test_noise_below_two_digits_changes_neither_report_nor_file(meter, tmp_path):
    meter.applied(100 * MIB, 1.0)
    reported, written = meter.pace, (tmp_path / NAME).stat().st_mtime_ns

    meter.applied(100 * MIB, 1.001)

    assert meter.pace == reported
    assert (tmp_path / NAME).stat().st_mtime_ns == written


def test_what_was_learned_survives_a_restart_and_a_damaged_file_is_learned_anew(meter, tmp_path):
    meter.downloaded(10 * MIB, request_s=0.2, body_s=10.0)

    assert PaceMeter(tmp_path).pace == meter.pace
    (tmp_path / NAME).write_bytes(b"\xff{")
    assert PaceMeter(tmp_path, is_metered=True).pace == Pace(is_metered=True)

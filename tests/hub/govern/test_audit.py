"""The audit log shows any change of the past."""

import pytest
import sqlalchemy as sa

from edgewright.hub.govern.table import audit as audit_table


@pytest.fixture
def written(db, audit):
    with db.write() as connection:
        for number in range(5):
            audit.record(connection, "ana", "thing.do", f"thing-{number}", size=number)
    return audit


def test_an_untouched_log_verifies(written):
    report = written.verify()

    assert report.is_verified
    assert report.entries == 5


@pytest.mark.parametrize(
    "values", [{"actor": "eve"}, {"action": "x"}, {"detail": {"size": 9}}, {"at": 1.0}, {"sha256": "0" * 64}]
)
def test_a_changed_entry_is_named(written, db, values):
    with db.write() as connection:
        connection.execute(sa.update(audit_table).where(audit_table.c.number == 3).values(**values))

    report = written.verify()

    assert not report.is_verified
    assert "entry 3" in report.problem


def test_a_missing_entry_is_named(written, db):
    with db.write() as connection:
        connection.execute(sa.delete(audit_table).where(audit_table.c.number == 2))

    assert written.verify().problem == "entry 2 is missing"


def test_a_rewritten_chain_without_the_key_fails(written, db):
    with db.write() as connection:
        connection.execute(sa.update(audit_table).where(audit_table.c.number == 5).values(signature="ab" * 64))

    assert "signature" in written.verify().problem


def test_an_entry_goes_with_its_change(db, audit):
    def fail_after_recording():
        with db.write() as connection:
            audit.record(connection, "ana", "thing.do", "thing")
            raise RuntimeError("the change itself fails")

    with pytest.raises(RuntimeError):
        fail_after_recording()

    assert audit.entries() == []


def test_entries_are_listed_after_a_number(written):
    assert [entry.number for entry in written.entries(after=3)] == [4, 5]

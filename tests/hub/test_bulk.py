"""Many rows at once are what single inserts would have made of them."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.hub.db import insert_all
from edgewright.hub.rollout.table import directive
from scenes.databases import new_database

ROW = {"device": "d", "model": "m", "kind": "hold", "counter": 0, "reason": "it's 100 % so", "by": "olga", "at": 1.5}


def test_rows_arrive_whole_whatever_they_have_in_common(tmp_path):
    database = new_database(tmp_path)
    rows = [ROW | {"device": f"d{number}", "counter": number} for number in range(3)] + [ROW]

    with database.write() as connection:
        insert_all(connection, directive, rows)
        insert_all(connection, directive, [ROW | {"model": "other"}])
        insert_all(connection, directive, [])

        found = [dict(row) for row in connection.execute(sa.select(directive)).mappings()]
    assert sorted(found, key=repr) == sorted([*rows, ROW | {"model": "other"}], key=repr)
    database.close()


def test_rows_that_differ_in_one_column_arrive_too(tmp_path):
    database = new_database(tmp_path)
    rows = [ROW | {"reason": "", "device": f"d{number}"} for number in range(3)]

    with database.write() as connection:
        insert_all(connection, directive, rows)

    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(directive)) == 3
    database.close()

BEGIN TRANSACTION;
CREATE TABLE checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT NOT NULL);
INSERT INTO "checkpoint" VALUES(1,'{"boot_id": "boot-1", "origin": {"instance_id": "4e1f6c1c-7c35-5d3e-9a2b-000000000001", "host_name": "node-1", "host_id": "machine-1"}, "totals": {"start_ns": 5, "kills": {"cgroup": 1, "system": 1}, "stamps_ns": {"cgroup": 7, "system": 8}, "unaccounted": 2}, "cursor": 70, "uncounted": 75, "base": 40, "lines": 2, "log_epoch_ns": 3, "exported_ns": 8, "agent_pid": 9, "is_ended": true, "told": {"start_ns": 5, "kills": {"cgroup": 1}, "stamps_ns": {"cgroup": 6}, "unaccounted": 0}, "owed": {"start_ns": 1, "kills": {"system": 1}, "stamps_ns": {"system": 2}, "unaccounted": 0}, "former": [{"series": {"origin": {"instance_id": "before", "host_name": "host", "host_id": ""}, "totals": {"start_ns": 1, "kills": {"cgroup": 1}, "stamps_ns": {"cgroup": 3}, "unaccounted": 0}}, "told": {"start_ns": 1, "kills": {}, "stamps_ns": {}, "unaccounted": 0}, "exported_ns": 3}, {"series": {"origin": {"instance_id": "in between", "host_name": "", "host_id": ""}, "totals": {"start_ns": 2, "kills": {"system": 1}, "stamps_ns": {"system": 4}, "unaccounted": 0}}, "told": null, "exported_ns": 0}]}');
CREATE TABLE events (number INTEGER PRIMARY KEY, event TEXT NOT NULL);
INSERT INTO "events" VALUES(3,'["system_oom_kill", 1700000000000000001, "a (x) was killed", {"event.name": "system_oom_kill", "log.record.uid": "u3", "process.pid": 7, "linux.memory.pressure": 0.5, "flag": true, "tasks": [{"pid": 7, "name": "\u00e9\u0000"}, {"pid": 8, "name": "b"}]}, ["4e1f6c1c-7c35-5d3e-9a2b-000000000001", "node-1", "machine-1"]]');
INSERT INTO "events" VALUES(4,'["system_oom_unaccounted", 1700000000000000002, "b", {"event.name": "system_oom_unaccounted", "log.record.uid": "u4", "count": 2}, ["before", "", ""]]');
CREATE TABLE refused (
    number INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL, why TEXT NOT NULL, event TEXT NOT NULL
);
INSERT INTO "refused" VALUES(1,'u2','HTTP 400','["system_oom_kill", 9, "c", {"event.name": "system_oom_kill", "log.record.uid": "u2"}, ["4e1f6c1c-7c35-5d3e-9a2b-000000000001", "node-1", "machine-1"]]');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('refused',1);
COMMIT;
PRAGMA user_version = 1;

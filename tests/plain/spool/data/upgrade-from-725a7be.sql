BEGIN TRANSACTION;
CREATE TABLE checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT NOT NULL);
INSERT INTO "checkpoint" VALUES(1,'{"boot_id": "boot-1", "origin": {"instance_id": "45d0d0ac-c8fd-5531-b63c-8c7fdbd35335", "host_name": "node-1", "host_id": "5f3c6a1e9b7d4c0e8a2f1b3d5c7e9a0b"}, "totals": {"start_ns": 1699999000000000000, "kills": {"cgroup": 3, "system": 1}, "stamps_ns": {"cgroup": 1700000000000000006, "system": 1700000000000000001}, "unaccounted": 0}, "cursor": 10, "uncounted": 10, "base": 40, "lines": 4, "log_epoch_ns": 0, "exported_ns": 1700000000000000002, "agent_pid": 0, "is_ended": false, "told": {"start_ns": 1699999000000000000, "kills": {"cgroup": 1, "system": 1}, "stamps_ns": {"cgroup": 1700000000000000002}, "unaccounted": 0}, "owed": null, "former": []}');
CREATE TABLE events (number INTEGER PRIMARY KEY, event TEXT NOT NULL);
INSERT INTO "events" VALUES(5,'["system_oom_kill", 1700000000000000005, "java (pid 5) was OOM-killed", {"event.name": "system_oom_kill", "log.record.uid": "uid-5", "oom.boot.id": "boot-1", "oom.scope": "cgroup", "process.pid": 5, "process.command_line": "java -Xmx8g -jar app.jar", "oom.kmsg.sequence": 8}, ["45d0d0ac-c8fd-5531-b63c-8c7fdbd35335", "node-1", "5f3c6a1e9b7d4c0e8a2f1b3d5c7e9a0b"]]');
INSERT INTO "events" VALUES(6,'["system_oom_kill", 1700000000000000006, "java (pid 6) was OOM-killed", {"event.name": "system_oom_kill", "log.record.uid": "uid-6", "oom.boot.id": "boot-1", "oom.scope": "cgroup", "process.pid": 6, "container.id": "web", "container.runtime.name": "lxc", "oom.kmsg.sequence": 9}, ["45d0d0ac-c8fd-5531-b63c-8c7fdbd35335", "node-1", "5f3c6a1e9b7d4c0e8a2f1b3d5c7e9a0b"]]');
CREATE TABLE refused (
    number INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL, why TEXT NOT NULL, event TEXT NOT NULL
);
DELETE FROM "sqlite_sequence";
COMMIT;
PRAGMA user_version = 1;

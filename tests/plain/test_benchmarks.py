"""What `make bench` makes of its measurements: medians, tables, and failures that are seen. Nothing is measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import bench, measured, readme_table, report
from benchmarks.completeness import REPORTED, RIGHT, TWICE, judge, scenario
from benchmarks.measured import Figure, Measure
from benchmarks.pod_storm import PodStorm
from benchmarks.report import Result, cell, number
from benchmarks.watchers import Reported

ROOT = Path(__file__).resolve().parents[2]
STORM = PodStorm(Path("/none"), "otel-oom-bench-1234abcd", is_v1=True)


def figure(*values: float, subject: str = "otel-oom", quantity: str = "delay", unit: str = "ms") -> Figure:
    return Figure("idle", subject, quantity, unit, values)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(500, "500"), (0, "0"), (12345, "12,345"), (2.345, "2.35"), (0.0312, "0.031"), (33.12, "33.1"), (515.4, "515")],
)
def test_numbers_have_the_digits_that_mean_something(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_cell_has_median_and_spread() -> None:
    assert cell(figure(3, 1, 200, 2.5, 2)) == "2.50 (1 to 200)"
    assert cell(figure(500, 500, 500)) == "500"


def test_a_table_has_a_row_for_each_subject_and_a_column_for_each_quantity() -> None:
    rows = list(report.table([figure(1, subject="a"), figure(2, subject="b"), figure(3, subject="b", quantity="cost")]))
    assert rows == ["| idle | delay, ms | cost, ms |", "| --- | ---: | ---: |", "| a | 1 |  |", "| b | 2 | 3 |"]


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    measure = Measure("drain", "Reading", notes=["a note"])
    measure.add("idle", "otel-oom", "delay", "ms", [1.23456, 2, 3])
    measured.write(measure, tmp_path / "drain.json", seconds=12.3, load=0.1)
    (result,) = report.results(tmp_path).values()
    assert result.figures == [figure(1.2346, 2, 3)]
    assert (result.about["seconds"], result.about["notes"], result.about["is_short"]) == (12, ["a note"], False)
    page = report.page({"drain": result})
    assert "## Reading" in page
    assert "| otel-oom | 2 (1.23 to 3) |" in page
    assert "load before: 0.10" in page


def test_a_figure_without_a_value_is_an_error() -> None:
    with pytest.raises(ValueError, match="no value"):
        Measure("drain", "Reading").add("idle", "otel-oom", "delay", "ms", [])


def test_the_table_of_the_readme_shows_medians_and_leaves_out_what_was_not_measured() -> None:
    row = readme_table.ROWS[0]
    figures = [
        Figure(row.scenario, subject, row.quantity, "", (500, 10, 499)) for subject in set(row.subjects.values())
    ]
    rest = [one for one in readme_table.ROWS if one.measure == row.measure and one is not row]
    figures += [Figure(one.scenario, s, one.quantity, "", (0,)) for one in rest for s in one.subjects.values()]
    lines = list(readme_table.table({row.measure: Result({}, figures)}))
    assert len(lines) == 2 + len(rest) + 1
    assert lines[2] == f"| {row.title} | 499 | 499 | 499 |  |"
    assert len(readme_table.ROWS) <= readme_table.MAX_ROWS


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([Reported(7, STORM.token + "3")], {REPORTED: 1}, id="without a cgroup"),
        pytest.param([Reported(7, STORM.token + "3")] * 3, {REPORTED: 1, TWICE: 2}, id="repeated"),
        pytest.param([Reported(8, STORM.token + "3")], {}, id="another pid"),
        pytest.param([Reported(7, "java"), Reported(None, None)], {}, id="a kill of somebody else"),
        pytest.param(
            [
                Reported(
                    7, STORM.token + "3", STORM.container(3).path, STORM.container(3).id, STORM.container(3).pod_uid
                )
            ],
            {REPORTED: 1, **dict.fromkeys(RIGHT.values(), 1)},
            id="with everything",
        ),
        pytest.param(
            [
                Reported(
                    7, STORM.token + "3", STORM.container(4).path, STORM.container(4).id, STORM.container(8).pod_uid
                )
            ],
            {REPORTED: 1, RIGHT["pod"]: 1},
            id="another container of the same pod",
        ),
    ],
)
def test_reports_of_a_storm_are_judged_by_the_name_of_the_victim(
    reports: list[Reported], expected: dict[str, int]
) -> None:
    assert +judge(STORM, {(7, STORM.token + "3")}, reports) == expected


def test_a_storm_is_named_as_the_tables_name_it() -> None:
    assert [scenario(500, 1), scenario(500, 8)] == ["500 kills, one after another", "500 kills, 8 at a time"]


def test_a_measure_that_fails_is_named_and_gives_exit_code_1(capfd: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["no_such_measure"], is_short=True) == 1
    output = capfd.readouterr().out
    assert "no_such_measure FAILED after" in output
    assert output.endswith("failed: no_such_measure\n")


def test_a_measure_that_hangs_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def hanging(*_: object, **__: object) -> subprocess.Popen[bytes]:
        started.append(real([sys.executable, "-c", "import time; time.sleep(600)"], stderr=subprocess.DEVNULL))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", hanging)
    assert not bench.measured_well("drain", is_short=True, within_s=0.5)
    assert started[0].poll() is not None
    assert "drain FAILED" in capfd.readouterr().out


@pytest.mark.parametrize("name", measured.TITLES)
def test_each_measure_has_a_file_and_a_section_of_the_page_about_performance(name: str) -> None:
    assert (ROOT / "benchmarks" / f"{name}.py").exists()
    assert f"\n### {measured.TITLES[name]}\n" in (ROOT / "docs" / "performance.md").read_text()

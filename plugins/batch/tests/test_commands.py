"""Commands that run to their end on the embedded cluster, with real processes."""

from __future__ import annotations

import json
import sys

import pytest

from spawnpenny.api import Phase

COUNTED = 'echo x >> tries; test "$(wc -l < tries)" -ge {least}'
"""A command that fails until it has run so many times."""


async def test_a_command_runs_in_the_home_and_its_output_is_kept_there(jobs):
    async with jobs.running():
        run = await jobs.start(command=["sh", "-c", "echo $GREETING; echo 7 > result"], env={"GREETING": "hello"})
        record = await jobs.ended(run)
        assert (record.phase, record.reason.exit_code) == (Phase.SUCCEEDED, 0), record.reason
        assert (jobs.home / "result").read_text() == "7\n"
        assert (jobs.output(record) / "log.txt").read_text().splitlines()[-1] == "hello"
        assert jobs.output(record).parent == jobs.home / "jobs" / "report"
        assert record.state["batch"]["log"].endswith("hello\n")
        assert not await jobs.site.objects("Pod", "Secret", spawn=record.id)
        again = await jobs.ended(await jobs.start("again", command="sh -c 'exit 0'"))
        assert jobs.output(again) != jobs.output(record)


async def test_one_that_fails_has_its_exit_code_and_the_end_of_its_output_without_secrets(jobs):
    async with jobs.running():
        script = "for n in $(seq 500); do echo line $n; done; echo the key is $KEY; exit 3"
        run = await jobs.start(command=["sh", "-c", script], env={"KEY": "tr0ub4dor&3-correct"})
        record = await jobs.ended(run)
        assert (record.phase, record.reason.code, record.reason.exit_code) == (Phase.EXITED, "pod_crashed", 3)
        assert "the key is [secret]" in record.reason.message
        log = record.state["batch"]["log"]
        assert "line 500\nthe key is [secret]" in log
        assert 500 < len(log) <= 1400
        assert "tr0ub4dor" not in json.dumps(record.to_json())
        assert "tr0ub4dor&3-correct" in (jobs.output(record) / "log.txt").read_text()


@pytest.mark.parametrize("as_text", [False, True])
async def test_no_shell_and_no_cluster_reads_the_arguments(jobs, as_text):
    script = "import json, sys; print(json.dumps(sys.argv[1:]))"
    arguments = ["$(HOME)", "$HOME", "a;touch hacked", "`id`", "two words", "*", "ü"]
    words = " ".join(f"'{part}'" for part in ["python", "-c", script, *arguments])
    async with jobs.running():
        record = await jobs.ended(await jobs.start(command=words if as_text else ["python", "-c", script, *arguments]))
        assert record.phase is Phase.SUCCEEDED, record.reason
        assert json.loads((jobs.output(record) / "log.txt").read_text().splitlines()[-1]) == arguments
        assert not (jobs.home / "hacked").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"command": "no-such-program --fast"}, "The image has no program no-such-program"),
        ({"command": "true", "directory": "nowhere"}, "The home folder has no folder nowhere"),
        ({"command": "true", "output": "taken"}, "The output folder taken cannot be used"),
        ({"command": ["sh", "-c", "kill -9 $$"]}, "ended by the signal 9"),
    ],
)
async def test_one_that_cannot_run_says_why(jobs, options, reason):
    (jobs.home / "taken").write_text("a file")
    async with jobs.running():
        record = await jobs.ended(await jobs.start(**options))
        assert record.phase is Phase.EXITED
        assert reason in record.reason.message


async def test_it_ends_with_its_program_whatever_that_left_running(jobs):
    async with jobs.running():
        record = await jobs.ended(await jobs.start(command=["sh", "-c", "sleep 300 & echo started"]))
        assert record.phase is Phase.SUCCEEDED


async def test_it_runs_again_until_it_succeeds(jobs):
    async with jobs.running():
        record = await jobs.ended(await jobs.start(command=["sh", "-c", COUNTED.format(least=3)], retries=5))
        assert record.phase is Phase.SUCCEEDED, record.reason
        assert (jobs.home / "tries").read_text() == "x\n" * 3
        assert record.state["batch"]["attempt"] == 3
        assert (jobs.output(record) / "log.txt").read_text().count("--- ") == 3
        assert not await jobs.site.objects("Pod", "Secret", spawn=record.id)


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (2, 3)])
async def test_it_runs_no_more_often_than_it_may(jobs, retries, tries):
    async with jobs.running():
        record = await jobs.ended(await jobs.start(command=["sh", "-c", COUNTED.format(least=9)], retries=retries))
        assert (record.phase, record.reason.exit_code) == (Phase.EXITED, 1)
        assert (jobs.home / "tries").read_text() == "x\n" * tries


async def test_it_has_an_end_at_its_deadline_and_can_save_what_it_has(jobs):
    script = "trap 'echo saved > state; exit 0' TERM; echo begun; while :; do sleep 0.05; done"
    async with jobs.running():
        record = await jobs.ended(await jobs.start(command=["sh", "-c", script], deadline=3, retries=2))
        assert (record.phase, record.reason.code) == (Phase.EXITED, "job_deadline"), record.reason
        assert record.reason.message == "It was not done within its 3 seconds."
        assert (jobs.home / "state").read_text() == "saved\n"
        assert "begun" in record.state["batch"]["log"]
        assert record.state["batch"]["attempt"] == 1


async def test_the_deadline_holds_for_all_tries_together(jobs):
    async with jobs.running(backoff=1):
        record = await jobs.ended(await jobs.start(command="sh -c 'sleep 1; exit 4'", deadline=4, retries=5))
        assert record.phase is Phase.EXITED
        assert record.state["batch"]["attempt"] < 4


async def test_one_that_is_cancelled_ends_and_keeps_its_output(jobs):
    script = "echo begun; touch begun; trap 'touch asked; exit 1' TERM; while :; do sleep 0.05; done"
    async with jobs.running():
        run = await jobs.start(command=["sh", "-c", script], retries=3)
        await jobs.appeared("begun")
        await jobs.stop()
        assert (jobs.home / "asked").exists()
        assert not await jobs.site.objects("Pod", "Secret", spawn=run.record.id)
        assert "begun" in (jobs.output(run.record) / "log.txt").read_text()
        assert jobs.run() is None


async def test_the_next_service_goes_on_with_one_that_runs(jobs):
    async with jobs.killable() as server:
        await jobs.start(command=["sh", "-c", "echo x >> tries; until test -e gate; do sleep 0.05; done"], retries=3)
        await jobs.appeared("tries")
        await server.kill()
        await server.start()
        jobs.service = server.service
        assert jobs.run().record.phase in {Phase.PENDING, Phase.RUNNING}
        (jobs.home / "gate").touch()
        record = await jobs.ended()
        assert (record.phase, record.state["batch"]["attempt"]) == (Phase.SUCCEEDED, 1)
        assert (jobs.home / "tries").read_text() == "x\n"


async def test_tries_are_counted_over_a_kill_of_the_service(jobs):
    script = "echo x >> tries; until test -e gate-$(wc -l < tries); do sleep 0.05; done; exit 5"
    async with jobs.killable() as server:
        await jobs.start(command=["sh", "-c", script], retries=2)
        await jobs.appeared("tries")
        (jobs.home / "gate-1").touch()
        await jobs.notified("Try 1 failed, and it is tried again")
        await server.kill()
        (jobs.home / "gate-2").touch()  # it may end while no service runs
        await server.start()
        jobs.service = server.service
        (jobs.home / "gate-3").touch()
        record = await jobs.ended()
        assert (record.phase, record.reason.exit_code) == (Phase.EXITED, 5)
        assert record.state["batch"]["attempt"] == 3
        assert (jobs.home / "tries").read_text() == "x\n" * 3


async def test_the_python_of_the_settings_runs_it(jobs):
    async with jobs.running(python=["env", "MARK=7", sys.executable]):
        record = await jobs.ended(await jobs.start(command=["sh", "-c", "echo $MARK"]))
        assert record.state["batch"]["log"].endswith("\n7\n")

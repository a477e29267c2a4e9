"""Notebooks that run to their end on the embedded cluster, with a real kernel."""

from __future__ import annotations

import base64

import nbformat
import pytest
from nbformat import v4

from spawnpenny.api import Phase

PLOT = """
from io import BytesIO
from IPython.display import Image, display
from PIL import Image as Picture
points = Picture.new("RGB", (64, 64), "white")
for x in range(64):
    points.putpixel((x, 63 - x * x // 64), (200, 0, 0))
stream = BytesIO()
points.save(stream, "PNG")
display(Image(data=stream.getvalue()))
"""


@pytest.fixture
def write(jobs):
    """Return a function that writes a notebook with these cells into ada's home."""

    def make(name, *cells, kernel="python3"):
        notebook = v4.new_notebook(metadata={"kernelspec": {"name": kernel, "display_name": kernel}})
        notebook.cells = [v4.new_markdown_cell("# Report"), *map(v4.new_code_cell, cells)]
        notebook.cells[-1].outputs = [v4.new_output("stream", text="of yesterday")]
        (jobs.home / name).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, jobs.home / name)

    return make


def outputs(jobs, record, name="report.ipynb"):
    """Return the outputs of each code cell of the notebook in the output folder of a job."""
    notebook = nbformat.read(jobs.output(record) / name, as_version=4)
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


async def test_a_notebook_with_a_plot_is_kept_with_its_outputs(jobs, write):
    write("reports/report.ipynb", "import os; print(os.environ['MONTH'])", PLOT, "print(open('data.csv').read())")
    (jobs.home / "reports" / "data.csv").write_text("1,2")
    before = (jobs.home / "reports" / "report.ipynb").read_bytes()
    async with jobs.running():
        record = await jobs.ended(await jobs.start(notebook="reports/report.ipynb", env={"MONTH": "May"}))
        assert record.phase is Phase.SUCCEEDED, (record.reason, record.state)
        month, (plot,), data = outputs(jobs, record)
        assert (month[0].text, data[0].text) == ("May\n", "1,2\n")
        assert base64.b64decode(plot.data["image/png"]).startswith(b"\x89PNG")
        assert (jobs.home / "reports" / "report.ipynb").read_bytes() == before
        shown = (jobs.output(record) / "log.txt").read_text().splitlines()[-4:]
        assert [shown[0], *shown[2:]] == ["May", "[3/3] print(open('data.csv').read())", "1,2"]


async def test_one_that_fails_is_kept_up_to_the_failing_cell_and_the_error_is_reported(jobs, write):
    write("report.ipynb", "print('first')", "1 / 0", "print('never')")
    async with jobs.running():
        record = await jobs.ended(await jobs.start(notebook="report.ipynb"))
        assert (record.phase, record.reason.code, record.reason.exit_code) == (Phase.EXITED, "pod_crashed", 1)
        assert record.reason.message.endswith("A cell failed: ZeroDivisionError: division by zero.")
        first, (failed,), never = outputs(jobs, record)
        assert (first[0].text, failed.output_type, failed.ename) == ("first\n", "error", "ZeroDivisionError")
        assert never == []


async def test_a_stopped_one_is_saved_as_far_as_it_came(jobs, write):
    write("report.ipynb", "print('first')", "print('second'); open('begun', 'w'); import time; time.sleep(300)")
    async with jobs.running():
        run = await jobs.start(notebook="report.ipynb")
        await jobs.appeared("begun")
        await jobs.stop()
        (first,), second = outputs(jobs, run.record)
        assert first.text == "first\n"
        assert "of yesterday" not in str(second)
        assert "The job was stopped" in (jobs.output(run.record) / "log.txt").read_text()


async def test_a_kernel_that_dies_ends_it(jobs, write):
    write("report.ipynb", "print('first')", "import os; os._exit(9)")
    async with jobs.running():
        record = await jobs.ended(await jobs.start(notebook="report.ipynb"))
        assert "The kernel of the notebook has died" in record.reason.message
        assert outputs(jobs, record)[0][0].text == "first\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"notebook": "missing.ipynb"}, "There is no notebook missing.ipynb in the home folder."),
        ({"notebook": "missing/report.ipynb"}, "The home folder has no folder missing."),
        ({"notebook": "notes.txt"}, "The notebook notes.txt cannot be read"),
        ({"notebook": "report.ipynb", "kernel": "cobol"}, "The image has no kernel cobol."),
        ({"notebook": "report.ipynb", "output": "."}, "The output would overwrite the notebook"),
        ({"notebook": "strange.ipynb"}, "The image has no kernel fortran."),
    ],
)
async def test_one_that_cannot_run_says_why(jobs, write, options, reason):
    write("report.ipynb", "print(1)")
    write("strange.ipynb", "print(1)", kernel="fortran")
    (jobs.home / "notes.txt").write_text("no notebook")
    before = (jobs.home / "report.ipynb").read_bytes()
    async with jobs.running():
        record = await jobs.ended(await jobs.start(**options))
        assert record.phase is Phase.EXITED
        assert reason in record.reason.message
        assert (jobs.home / "report.ipynb").read_bytes() == before

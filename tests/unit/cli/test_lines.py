from __future__ import annotations

import io
import json

from amiforge.cli.lines import JsonLines, PlainLines
from amiforge.engine import events
from amiforge.engine.events import Event


def plain(*given: Event) -> list[str]:
    stream = io.StringIO()
    lines = PlainLines(stream)
    for event in given:
        lines.see(event)
    return stream.getvalue().splitlines()


def test_every_event_reads_as_one_stable_line() -> None:
    assert plain(
        events.StepStarted(at=100, step="launch builder", detail="m6i.4xlarge"),
        events.Waiting(at=101, what="i-1", seconds=1, detail="pending"),
        events.StepFinished(at=102.5, step="launch builder", seconds=2.5, detail="i-1"),
        events.ApplyStarted(at=103, host="u@h", system="al2023 x86_64", tasks=("efa",), resources=3),
        events.TaskStarted(at=103, task="efa"),
        events.ResourceFinished(at=103, task="efa", resource="file /a", status="ok"),
        events.DownloadStarted(at=103, task="efa", resource="efa", summary="download https://a/b"),
        events.ChangeStarted(at=104, task="efa", resource="efa", summary="install efa", command="sh"),
        events.JobOutput(at=105, task="efa", resource="efa", text="half"),
        events.JobOutput(at=106, task="efa", resource="efa", text=" line\nnext\n"),
        events.ResourceFinished(
            at=107, task="efa", resource="efa", status="changed", seconds=3, differences={"version": ("absent", "1.44")}
        ),
        events.RebootStarted(at=108, host="u@h", reason="new kernel"),
        events.RebootFinished(at=128, host="u@h", seconds=20, kernel="6.12"),
        events.LinkLost(at=129, host="u@h", reason="silence"),
        events.ArtifactRecorded(at=130, url="https://a/b", sha256="00ff"),
        events.KeyRecorded(at=130, url="https://a/key", fingerprint="AA00"),
        events.TaskFinished(at=131, task="efa", seconds=28, changed=1),
        events.ApplyFinished(at=131, host="u@h", seconds=28, ok=2, changed=1, ran=0),
        events.CheckFinished(at=132, task="efa", title="device", outcome="skipped", detail="no device"),
        events.Failed(at=133, message="it broke"),
    ) == [
        "     0.0s  step      launch builder: m6i.4xlarge",
        "     1.0s  waiting   for i-1 (1 s): pending",
        "     2.5s  done      launch builder (2.5 s): i-1",
        "     3.0s  host      u@h: al2023 x86_64, 1 tasks, 3 resources",
        "     3.0s  task      efa",
        "     3.0s  download  efa: download https://a/b",
        "     4.0s  change    efa: install efa",
        "     6.0s  output    | half line",
        "     6.0s  output    | next",
        "     7.0s  changed   efa: efa (3.0 s)",
        "     7.0s              version: absent -> 1.44",
        "     8.0s  reboot    u@h: new kernel",
        "    28.0s  back      u@h (20.0 s): kernel 6.12",
        "    29.0s  link lost u@h: silence; attaching again",
        "    30.0s  recorded  https://a/b sha256 00ff",
        "    30.0s  recorded  https://a/key key AA00",
        "    31.0s  done      efa (28.0 s): 1 changed",
        "    31.0s  applied   u@h (28.0 s): 1 changed, 2 ok, 0 ran",
        "    32.0s  skipped   efa: device: no device",
        "    33.0s  failed    it broke",
    ]


def test_every_kind_of_event_has_its_line() -> None:
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    known = vars(PlainLines)["_say"].dispatcher.registry
    told_as_table = {events.VerificationFinished}
    assert {kind for kind in kinds if kind is not Event and kind not in known} == told_as_table


def test_json_lines_are_one_object_an_event_with_its_name() -> None:
    stream = io.StringIO()
    lines = JsonLines(stream)
    lines.see(events.JobOutput(at=1, task="efa", resource="efa", text="two\nlines"))
    lines.see(events.Failed(at=2, message="no", lines={"ran": "dnf"}))
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "JobOutput", "at": 1, "task": "efa", "resource": "efa", "text": "two\nlines"},
        {"event": "Failed", "at": 2, "message": "no", "lines": {"ran": "dnf"}},
    ]

"""Every error amiforge raises on purpose, and the exit status each ends a command with.

AmiforgeError
  UsageError             2   the request itself cannot be carried out as written
    ConfigError              a setting, option or --set value: names the field and the fix
    RecipeError              a recipe or task contradicts itself
    SandboxUnavailable       this machine lacks what the sandbox needs
  CompatibilityError     5   parts of a recipe do not go together: names both sides, the reason and the fix
  HostError              3   the machine cannot be reached or used
    Unreachable              no connection within the deadline
    AuthRefused              the server refused our key
    HostKeyMismatch          the server is not the one we pinned
    ConnectionLost           the link died; says nothing about what the command did
    SudoRefused              sudo wants a password or says no
    HostBusy                 another amiforge works on this host
  TaskError              1   the host was asked for something and it did not come true
    CommandFailed            exit status other than 0
    CommandTimedOut          no end within its time
    LockTimeout              a package manager's lock was held for too long
    NoSpace                  a file system is full or read-only
    ChecksumMismatch         a download is not what it should be
    NotConverged             the command said yes, the host says no
    FactUnreadable           an answer of the host makes no sense
    CheckFailed              verification found something wrong
  RebootError            1   a reboot did not go as it should
    NotGoingDown             the host kept its boot id
    NotComingBack            no usable host after the reboot
  BakeError              4   something on the AWS side
    AwsRefused               a call failed, with the service's code and message
    SourceImageNotFound      no image answers the description
    LaunchFailed             no builder could be started
    ImageFailed              the image did not become available
    PublishIncomplete        the image is good, and not published everywhere; `amiforge resume` goes on with that
    CleanupIncomplete        something of ours is still there; lists it
    RunBusy                  another process here bakes this, or works on this run
    Parked               75    EC2 needs longer, or cannot be asked now; nothing is lost, `amiforge resume` goes on

Exit status 130 means interrupted. The same table stands in the command line's reference.
"""

from __future__ import annotations

from typing import ClassVar, Self


class AmiforgeError(Exception):
    """Base of all our errors: one sentence, then labelled lines (`ran`, `stderr`, `state`, `resume`, …).

    Lines are added by whoever knows them, on the way up: the command by the engine, the place in the
    recipe by the apply loop, the command that continues by the command line. The first one to fill a
    label wins.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, **lines: str) -> None:
        super().__init__(message)
        self.message = message
        self.lines: dict[str, str] = {}
        self.add(**lines)

    def add(self, **lines: str) -> Self:
        """Fill labels that are still empty, and return the error itself so that it can be raised.

        They are notes too, so that a traceback in somebody else's program shows them.
        """
        for label, text in lines.items():
            if text and label not in self.lines:
                self.lines[label] = text
                self.add_note(f"{label}: {text}")
        return self

    def block(self) -> str:
        """Give the whole error as text: the sentence, then one aligned paragraph a label."""
        width = max((len(label) for label in self.lines), default=0) + 2
        indent = "\n" + " " * (4 + width)
        rows = (
            f"    {label.replace('_', ' '):<{width}}{text.strip().replace(chr(10), indent)}"
            for label, text in self.lines.items()
        )
        return "\n".join((f"✗ {self.message}", *rows))


class UsageError(AmiforgeError):
    """The request cannot be carried out as written."""

    exit_status = 2


class ConfigError(UsageError):
    """A setting or option has an unknown name or an impossible value."""


class RecipeError(UsageError):
    """A recipe or task contradicts itself."""


class SandboxUnavailable(UsageError):
    """This machine lacks what the sandbox needs."""


class CompatibilityError(AmiforgeError):
    """Parts of a recipe do not go together; a line for each rule that it breaks."""

    exit_status = 5


class HostError(AmiforgeError):
    """The machine cannot be reached or used."""

    exit_status = 3


class Unreachable(HostError):
    """No connection came about within the deadline."""


class AuthRefused(HostError):
    """The server refused the key or user."""


class HostKeyMismatch(HostError):
    """The server showed another host key than the one pinned or known."""


class ConnectionLost(HostError):
    """The link died. What the command did, or still does, is not known."""


class SudoRefused(HostError):
    """`sudo -n` wants a password, or the user may not use it."""


class HostBusy(HostError):
    """Another amiforge is working on this host."""


class TaskError(AmiforgeError):
    """The host was asked for something and it did not come true."""


class CommandFailed(TaskError):
    """A command ended with a status other than 0."""


class CommandTimedOut(TaskError):
    """A command did not end within its time."""


class LockTimeout(TaskError):
    """A package manager's lock was held by somebody else for too long."""


class NoSpace(TaskError):
    """A file system is full or read-only."""


class ChecksumMismatch(TaskError):
    """A download is not what it should be."""


class NotConverged(TaskError):
    """The command reported success, and the host still is not as wanted."""


class FactUnreadable(TaskError):
    """An answer of the host makes no sense."""


class CheckFailed(TaskError):
    """Verification found something that is not as it should be."""


class RebootError(AmiforgeError):
    """A reboot did not go as it should."""


class NotGoingDown(RebootError):
    """The host kept its boot id after a reboot was asked for."""


class NotComingBack(RebootError):
    """The host was not usable again within the deadline."""


class UnexpectedReboot(RebootError):
    """The host rebooted, unasked, while it was working for us."""


class BakeError(AmiforgeError):
    """Something on the AWS side of a bake."""

    exit_status = 4


class AwsRefused(BakeError):
    """An AWS call failed; carries the service's own code and message."""


class SourceImageNotFound(BakeError):
    """No image answers the description of the source image."""


class LaunchFailed(BakeError):
    """No builder instance could be started."""


class ImageFailed(BakeError):
    """The image did not become available."""


class CleanupIncomplete(BakeError):
    """Something that the bake made is still there; the lines list it."""


class PublishIncomplete(BakeError):
    """The image is good, and not published everywhere. What is done stays done; no pointer names what is missing."""


class RunBusy(BakeError):
    """Another process on this machine bakes the same image, or works on the same run."""


class Parked(BakeError):
    """The run waits: EC2 needs longer than its deadline, or cannot be asked now. Nothing was removed."""

    exit_status = 75

"""What is masked, and what is not."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from subprocess import CalledProcessError
from traceback import format_exception

import pytest
from pydantic import BaseModel, ValidationError

from amiforge.errors import AmiforgeError, CommandFailed, RecipeError
from amiforge.redaction import Redaction, secrets_in
from amiforge.shell import Secret, argv

PEM = """-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACDeadbeefPlainlyNotARealKeyButLongEnoughAAAAJgVeryMadeUpIndeed
AQI=
-----END OPENSSH PRIVATE KEY-----
"""


@pytest.mark.parametrize("secret", ["abcde", " x ", Secret("123\n")])
def test_a_secret_too_short_to_be_masked_is_refused(secret: str | Secret) -> None:
    with pytest.raises(RecipeError, match="fewer than 6 characters"):
        Redaction([secret])


def test_an_empty_secret_masks_nothing() -> None:
    assert Redaction(["", " \n"]).text("a b\n") == "a b\n"


def test_lines_of_a_key_are_masked_one_by_one_and_its_armour_and_short_lines_are_left() -> None:
    first, second, third = PEM.splitlines()[1:4]
    text = f"-----BEGIN OPENSSH PRIVATE KEY-----\r\n{first}\r\n{second}\r\n{third}\r\n"
    assert Redaction([PEM]).text(text) == (f"-----BEGIN OPENSSH PRIVATE KEY-----\r\n{first}\r\n[secret]\r\n{third}\r\n")
    assert Redaction([PEM]).text(f"key: {PEM}!") == "key: [secret]!"


def test_data_is_masked_at_any_depth_in_keys_too() -> None:
    found = Redaction(["hunter22"]).data(
        {"hunter22": [("a hunter22",), {"b": {"hunter22"}}, Secret("other!"), 1, None]}
    )
    assert found == {"[secret]": [("a [secret]",), {"b": ["[secret]"]}, "[secret]", 1, None]}


def test_an_error_is_masked_with_its_lines_notes_and_causes() -> None:
    cause = ValueError("no hunter22", 7)
    error = CommandFailed("hunter22 failed", ran="login hunter22")
    error.__cause__ = cause
    error.__context__ = error
    Redaction(["hunter22"]).mask(error)
    assert "hunter22" not in f"{error.block()} {error} {error.__notes__} {error.args} {cause}"
    assert (error.lines, error.args, cause.args) == (
        {"ran": "login [secret]"},
        ("[secret] failed",),
        ("no [secret]", 7),
    )


def test_an_error_that_keeps_its_words_does_not_get_out() -> None:
    redaction = Redaction(["hunter22"])
    stubborn = CalledProcessError(1, ["login", "hunter22"])
    with pytest.raises(AmiforgeError, match="unexpected CalledProcessError") as caught, redaction.masking():
        raise stubborn
    assert "hunter22" not in "".join(format_exception(caught.value))
    with pytest.raises(CommandFailed) as caught, redaction.masking():
        raise CommandFailed("login failed") from stubborn
    assert "hunter22" not in "".join(format_exception(caught.value))


def test_a_secret_option_takes_text_and_is_written_as_its_mask() -> None:
    class Model(BaseModel):
        token: Secret

    assert Model.model_validate({"token": "hunter22"}) == Model(token=Secret("hunter22"))
    model = Model.model_validate_json('{"token": "hunter22"}')
    assert model.token.reveal() == "hunter22"
    assert "hunter22" not in f"{model!r} {model.model_dump()} {model.model_dump_json()}"
    for wrong in (["hunter22"], model.model_dump(mode="json")["token"]):
        with pytest.raises(ValidationError, match=r"must be text|give the secret itself"):
            Model.model_validate({"token": wrong})


def test_secrets_are_found_in_models_dataclasses_and_collections() -> None:
    class Model(BaseModel):
        token: Secret
        more: tuple[dict[str, object], ...]

    @dataclass
    class Plain:
        model: Model

    model = Model(token=Secret("first!"), more=({"a": [Secret("second")], "b": argv("x", Secret("three"))},))
    assert [secret.reveal() for secret in secrets_in([Plain(model), Plain])] == ["first!", "second", "three"]


def test_what_is_learned_later_is_masked_from_then_on_by_streams_too() -> None:
    redaction = Redaction()
    stream = redaction.stream()
    assert stream.feed("hunter22 ") == "hunter22 "
    threads = [threading.Thread(target=redaction.learn, args=[f"secret{number}"]) for number in range(20)]
    for thread in threads:
        thread.start()
    redaction.learn(Secret("hunter22"))
    for thread in threads:
        thread.join()
    assert stream.feed("hunter22 ") == "[secret] "
    assert redaction.text(" ".join(f"secret{number}" for number in range(20))) == " ".join(["[secret]"] * 20)
    assert "hunter22" not in repr(redaction)


def test_a_stream_holds_back_only_what_may_become_a_secret() -> None:
    stream = Redaction(["hunter22"]).stream()
    assert [stream.feed(piece) for piece in ("a hun", "g\nhunte", "r2", "2!\n", "hun")] == [
        "a ",
        "hung\n",
        "",
        "[secret]!\n",
        "",
    ]
    assert stream.flush() == "hun"


@pytest.mark.parametrize("text", ["x" * 1_000_000, "hunt" * 250_000, "hunter2 " * 125_000, f"{'A' * 76}\n" * 13_000])
def test_the_time_for_a_million_characters_grows_with_them_and_no_faster(text: str) -> None:
    redaction = Redaction([PEM, "hunter22", "A" * 5000 + "B", *(f"secret{number}" for number in range(30))])

    def seconds(text: str) -> float:
        started = time.perf_counter()
        redaction.text(text)
        return time.perf_counter() - started

    assert seconds(text) < 20 * max(seconds(text[: len(text) // 10]), 0.05)

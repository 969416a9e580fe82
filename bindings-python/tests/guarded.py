"""Who may do what: an instance that asks for tokens, and another one that shows one."""

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

import confmesh

ADMIN, PEER = "cm_" + "a" * 64, "cm_" + "b" * 64


def _until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def _principal(name: str, role: str, token: str) -> str:
    digest = hashlib.sha256(token.encode()).hexdigest()
    return f'[[principal]]\nname = "{name}"\ntoken_sha256 = "{digest}"\nroles = ["{role}"]\n'


def _status_of(address: str, token: str | None) -> int:
    request = urllib.request.Request(f"http://{address}/config/default")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def an_instance_asks_for_tokens_and_its_peer_shows_one(tmp_path: Path) -> None:
    auth, shown = tmp_path / "auth.toml", tmp_path / "peer.token"
    auth.write_text(_principal("admin", "admin", ADMIN) + _principal("b", "peer", PEER))
    shown.write_text(PEER + "\n")
    with confmesh.Mesh(listen="127.0.0.1:0", auth=auth) as one:
        one.set("limit", 1).wait()
        address = one.addresses[0]
        assert [_status_of(address, token) for token in (None, "cm_no", ADMIN)] == [401, 401, 200]
        with confmesh.Mesh(peers=[f"ws://{address}"], token_file=shown, found_after=60_000) as two:
            _until(lambda: two.get("limit") == 1)
            two.set("limit", 2).wait()
            _until(lambda: one.get("limit") == 2)
            # Taken while it runs: the peer goes, and who stays stays.
            auth.write_text(_principal("admin", "admin", ADMIN))
            _until(lambda: two.status().wait()["peers"][0]["state"] == "waiting")
            assert _status_of(address, ADMIN) == 200
        assert one.status().wait()["auth"]["principals"] == 1


def what_would_be_open_to_others_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(confmesh.Error) as caught:
        confmesh.Mesh(listen="0.0.0.0:0").start()
    assert caught.value.code == "listen" and caught.value.hint is not None and "confmesh token new" in caught.value.hint
    with pytest.raises(confmesh.UsageError):
        confmesh.Mesh(peers=["ws://10.255.0.1:8765"]).start()
    with pytest.raises(confmesh.UsageError):
        confmesh.Mesh(tls_cert=tmp_path / "cert.pem").start()


SECRET = "a secret that both sides have, and nobody else"
ISSUER = "https://login.example"


def _signed(subject: str, seconds: float = 600, algorithm: str = "HS256") -> str:
    def encoded(part: bytes) -> str:
        return base64.urlsafe_b64encode(part).rstrip(b"=").decode()

    claims = {"iss": ISSUER, "aud": "confmesh", "sub": subject, "exp": time.time() + seconds}
    text = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": algorithm, "typ": "JWT"}, claims))
    return f"{text}.{encoded(hmac.digest(SECRET.encode(), text.encode(), 'sha256'))}"


def a_peer_shows_a_token_that_somebody_else_signed(tmp_path: Path) -> None:
    auth, shown = tmp_path / "auth.toml", tmp_path / "peer.jwt"
    (tmp_path / "login.secret").write_text(SECRET + "\n")
    auth.write_text(f"""
[[principal]]
name = "b"
sub = "b@example"
roles = ["peer"]

[[jwt]]
issuer = "{ISSUER}"
audience = "confmesh"
algorithm = "HS256"
key_file = "login.secret"
roles = ["reader"]
""")
    shown.write_text(_signed("b@example") + "\n")
    with confmesh.Mesh(listen="127.0.0.1:0", auth=auth) as one:
        one.set("limit", 1).wait()
        address = one.addresses[0]
        ways = [_signed("ann"), _signed("ann", -120), _signed("b"), _signed("ann", algorithm="none"), SECRET]
        assert [_status_of(address, token) for token in ways] == [200, 401, 401, 401, 401]
        with confmesh.Mesh(peers=[f"ws://{address}"], token_file=shown, found_after=60_000) as two:
            _until(lambda: two.get("limit") == 1)
            two.set("limit", 2).wait()
            _until(lambda: one.get("limit") == 2)
    (tmp_path / "login.secret").write_text("short")
    with pytest.raises(confmesh.Error) as caught:
        confmesh.Mesh(listen="127.0.0.1:0", auth=auth).start()
    assert "jwt.0.key_file" in str(caught.value) and "shorter than 32 bytes" in str(caught.value)

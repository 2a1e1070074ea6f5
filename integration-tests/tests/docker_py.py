"""What programs written with docker-py do with an engine, asserted step by step."""

import io
import socket
import tarfile
import time

import docker
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound

IMAGE = "busybox:it"
client = docker.from_env()


def system():
    assert client.ping()
    assert client.version()["MinAPIVersion"] == "1.24"
    info = client.info()
    assert info["OSType"] == "linux" and info["NCPU"] > 0
    assert "runc" in info["Runtimes"] or info["DefaultRuntime"]
    df = client.df()
    assert {"Images", "Containers", "Volumes"} <= df.keys()


def images():
    image = client.images.get(IMAGE)
    assert IMAGE in image.tags and image.id.startswith("sha256:")
    assert image.tag("other", "tag")
    assert {IMAGE, "other:tag"} <= set(client.images.get(IMAGE).tags)
    client.images.remove("other:tag")
    assert any(IMAGE in i.tags for i in client.images.list())
    try:
        client.images.get("nosuch:image")
        raise AssertionError("an image that is not there was found")
    except ImageNotFound:
        pass


def run():
    out = client.containers.run(IMAGE, "echo hello", remove=True)
    assert out == b"hello\n", out
    both = client.containers.run(IMAGE, ["sh", "-c", "echo o; echo e >&2"], remove=True, stderr=True)
    assert sorted(both.split()) == [b"e", b"o"], both
    try:
        client.containers.run(IMAGE, ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
        raise AssertionError("exit code 3 went unnoticed")
    except ContainerError as e:
        assert e.exit_status == 3 and b"bad" in e.stderr


def lifecycle():
    c = client.containers.create(IMAGE, "sleep 1000", name="py", labels={"k": "v"}, environment={"A": "1"})
    assert c.status == "created"
    c.start()
    c.reload()
    assert c.status == "running" and c.attrs["State"]["Pid"] > 0
    assert c.labels == {"k": "v"} and "A=1" in c.attrs["Config"]["Env"]
    assert [x.name for x in client.containers.list(filters={"label": "k=v"})] == ["py"]
    code, out = c.exec_run(["sh", "-c", "echo in; exit 4"])
    assert (code, out) == (4, b"in\n"), (code, out)
    code, (out, err) = c.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)
    assert (code, out, err) == (0, b"o\n", b"e\n")
    stats = c.stats(stream=False)
    assert stats["memory_stats"]["usage"] > 0 and stats["pids_stats"]["current"] >= 1
    assert any("sleep" in " ".join(p) for p in c.top()["Processes"])
    c.pause()
    c.reload()
    assert c.status == "paused"
    c.unpause()
    c.rename("renamed")
    c.update(mem_limit="64m", memswap_limit="128m")
    c.reload()
    assert c.attrs["HostConfig"]["Memory"] == 64 << 20
    c.kill(signal="SIGKILL")
    assert c.wait()["StatusCode"] == 137
    c.restart(timeout=0)
    c.stop(timeout=0)
    c.remove()
    try:
        client.containers.get("renamed")
        raise AssertionError("a removed container was found")
    except NotFound:
        pass


def streams():
    c = client.containers.create(IMAGE, "cat", stdin_open=True)
    sock = c.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    c.start()
    sock._sock.sendall(b"through\n")
    sock._sock.shutdown(socket.SHUT_WR)
    assert c.wait(timeout=20)["StatusCode"] == 0
    assert c.logs() == b"through\n"
    c.remove()
    c = client.containers.run(IMAGE, ["sh", "-c", "for i in 1 2 3; do echo $i; done"], detach=True)
    assert b"".join(c.logs(stream=True, follow=True)) == b"1\n2\n3\n"
    assert c.logs(tail=1) == b"3\n"
    c.remove(force=True)


def archives():
    c = client.containers.create(IMAGE, "cat /tmp/in")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        entry = tarfile.TarInfo("in")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"given"))
    assert c.put_archive("/tmp", data.getvalue())
    c.start()
    c.wait()
    assert c.logs() == b"given"
    bits, stat = c.get_archive("/tmp/in")
    assert stat["name"] == "in" and stat["size"] == 5
    with tarfile.open(fileobj=io.BytesIO(b"".join(bits))) as tar:
        assert tar.extractfile("in").read() == b"given"
    c.remove()


def volumes_and_events():
    volume = client.volumes.create("pyvol", labels={"a": "b"})
    assert volume.name in [v.name for v in client.volumes.list()]
    since = int(time.time())
    mounts = {"pyvol": {"bind": "/v", "mode": "rw"}}
    client.containers.run(IMAGE, "touch /v/x", name="told", volumes=mounts, remove=True)
    until = int(time.time()) + 1
    events = client.events(since=since, until=until, decode=True, filters={"type": "container"})
    actions = [e["Action"] for e in events if e["Actor"]["Attributes"]["name"] == "told"]
    assert [a for a in actions if a != "attach"] == ["create", "start", "die", "destroy"], actions
    volume.remove()
    try:
        client.volumes.get("pyvol")
        raise AssertionError("a removed volume was found")
    except NotFound:
        pass


def errors():
    try:
        client.containers.create(IMAGE, "true", name="bad name")
        raise AssertionError("a bad name was taken")
    except APIError as e:
        assert e.status_code == 400 and "Invalid container name" in e.explanation
    assert [n.name for n in client.networks.list()] and client.networks.list(names=["bridge"])


for step in (system, images, run, lifecycle, streams, archives, volumes_and_events, errors):
    step()

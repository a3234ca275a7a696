# SPDX-License-Identifier: GPL-2.0-or-later
"""Images are fetched from registries whole, each blob once, and what a registry lies about leaves nothing behind."""

import contextlib
import gzip
import json
import os
import random
import shutil
import subprocess
import tarfile
import threading
import time

import pytest

from support import wait
from support.archives import Oci, encode, entry, leftovers, run, sha256, tar
from support.engines import Host, Podman
from support.registry import PASSWORD, USER, FakeRegistry, serve
from support.sound import sound

pytestmark = [pytest.mark.root,
              pytest.mark.skipif(not shutil.which("skopeo") or not shutil.which("docker-registry"),
                                 reason="needs skopeo and docker-registry")]

ONE = tar(entry("./"), entry("etc/"), entry("etc/one", b"one\n"))
TWO = tar(entry("etc/"), entry("etc/two", b"two\n"))
KILLS = int(os.environ.get("BRIG_TEST_KILLS", "9"))  # of pull, commit and load in turn; 500 say more
BIG = tar(entry("etc/"), entry("etc/big", os.urandom(3 << 20)))


@pytest.fixture(scope="module")
def registry(session_folder, tmp_path_factory):
    with serve(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def closed(session_folder, tmp_path_factory):
    """One that wants a password."""
    with serve(tmp_path_factory.mktemp("closed"), password=True) as address:
        yield address


@pytest.fixture
def layout(tmp_path):
    """Puts images with these layers into the registry: layout(address, "name:tag", ONE, TWO)."""
    def put(address, name, *layers, options=()):
        folder = tmp_path / name.replace("/", "-").replace(":", "-")
        Oci().add(name.rsplit("/", 1)[-1], *layers, compress=lambda data: gzip.compress(data, mtime=0)).write(folder)
        run("skopeo", "copy", "--preserve-digests", *options or ["--dest-tls-verify=false"], f"oci:{folder}",
            f"docker://{address}/{name}")
        return json.loads((folder / "index.json").read_text())["manifests"][0]["digest"]

    return put


def pull(brig, *arguments, **options):
    return brig("pull", "--tls-verify=false", *arguments, **options)


def kept(brig):
    return {path.name for path in (brig.root / "tmp/fetched").glob("*")}


# --- what comes ---

def test_an_image_is_fetched_by_its_name_and_keeps_its_digest(brig, registry, layout):
    digest = layout(registry, "team/web:1", ONE, TWO)
    result = pull(brig, f"{registry}/team/web:1")
    assert result.out == f"{registry}/team/web:1\n"
    assert result.err.count(" fetched, ") == 3  # the configuration too
    assert brig.json("image", "inspect", f"{registry}/team/web:1")["digest"] == digest
    assert not (brig.root / "tmp/fetched").exists()
    quiet = brig("image", "pull", "-q", "--tls-verify=false", f"{registry}/team/web:1")
    assert (quiet.out, quiet.err) == (f"{registry}/team/web:1\n", "")


def test_what_is_here_is_not_fetched_again(brig, registry, layout):
    layout(registry, "shared:1", ONE)
    layout(registry, "shared:2", ONE, TWO)
    pull(brig, f"{registry}/shared:1")
    assert "nothing new" in pull(brig, f"{registry}/shared:1").err
    again = pull(brig, f"{registry}/shared:2")
    assert again.err.count(" fetched, ") == 2  # one layer and the configuration
    assert len(list((brig.root / "layers").iterdir())) == 2


def test_an_image_is_fetched_by_its_digest_and_found_by_it_again(brig, registry, layout):
    digest = layout(registry, "exact:1", ONE)
    name = f"{registry}/exact@{digest}"
    assert pull(brig, name).out == f"{registry}/exact:sha256-{digest[7:]}\n"
    assert brig.json("image", "inspect", name)["digest"] == digest
    wrong = brig.fails("pull", "--tls-verify=false", f"{registry}/exact@sha256:{'0' * 64}")
    assert "has no image" in wrong.err


def test_a_name_moves_to_what_the_registry_has_now(brig, registry, layout):
    first = layout(registry, "moving:1", ONE)
    pull(brig, f"{registry}/moving:1")
    second = layout(registry, "moving:1", TWO)
    pull(brig, f"{registry}/moving:1")
    assert first != second and brig.json("image", "inspect", f"{registry}/moving:1")["digest"] == second
    assert len(list((brig.root / "layers").iterdir())) == 1


def test_the_image_for_this_machine_is_taken_of_several(brig):
    oci = Oci()
    ours, other = oci.manifest([ONE]), oci.manifest([TWO])
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    ours["platform"] = {"os": "linux", "architecture": machine}
    other["platform"] = {"os": "linux", "architecture": "mips"}
    index = oci.blob(encode({"schemaVersion": 2, "manifests": [other, ours]}),
                     "application/vnd.oci.image.index.v1+json")
    index["annotations"] = {"org.opencontainers.image.ref.name": "many:1"}
    oci.manifests.append(index)
    with FakeRegistry(oci) as fake:
        pull(brig, f"{fake.address}/many:1")
        assert brig.json("image", "inspect", f"{fake.address}/many:1")["digest"] == ours["digest"]
        assert sha256(TWO) not in fake.asked_for_blobs()
        pull(brig, "--platform", "linux/mips", f"{fake.address}/many:1")
        assert brig.json("image", "inspect", f"{fake.address}/many:1")["digest"] == other["digest"]
        refused = brig.fails("pull", "--tls-verify=false", "--platform", "plan9/mips", f"{fake.address}/many:1")
        assert "no image for plan9/mips" in refused.err


def test_layers_that_are_not_compressed_and_those_of_docker_come_as_they_are(brig):
    docker = "application/vnd.docker."

    def change(document):
        document["mediaType"] = docker + "distribution.manifest.v2+json"
        document["config"]["mediaType"] = docker + "container.image.v1+json"
        for layer in document["layers"]:
            layer["mediaType"] = docker + "image.rootfs.diff.tar.gzip"

    oci = Oci().add("plain:1", ONE, TWO, compress=bytes).add("docker:1", ONE, TWO, change=change)
    oci.manifests[1]["mediaType"] = docker + "distribution.manifest.v2+json"
    for layer in json.loads(oci.files[f"blobs/sha256/{oci.manifests[0]['digest'][7:]}"])["layers"]:
        assert layer["size"] in (len(ONE), len(TWO))
    with FakeRegistry(oci) as fake:
        for name, described in zip(("plain:1", "docker:1"), oci.manifests):
            pull(brig, f"{fake.address}/{name}")
            assert brig.json("image", "inspect", f"{fake.address}/{name}")["digest"] == described["digest"]


# --- who asks ---

def test_a_registry_with_tls_is_trusted_by_its_certificate(brig, tmp_path, layout):
    with serve(tmp_path / "tls", tls=True) as address:
        layout(address, "safe:1", ONE, options=["--dest-cert-dir", tmp_path / "tls"])
        refused = brig.fails("pull", f"{address}/safe:1")
        assert "nobody vouches for the certificate" in refused.err and "ca.crt" in refused.err
        (tmp_path / "certs").mkdir()
        shutil.copy(tmp_path / "tls/registry.crt", tmp_path / "certs")
        assert brig("pull", "--cert-dir", tmp_path / "certs", f"{address}/safe:1").out == f"{address}/safe:1\n"


def test_a_registry_with_a_password_wants_it(brig, closed, layout):
    creds = f"{USER}:{PASSWORD}"
    layout(closed, "closed:1", ONE, options=["--dest-tls-verify=false", "--dest-creds", creds])
    wrong = brig.fails("pull", "--tls-verify=false", "--creds", "brig:wrong", f"{closed}/closed:1")
    assert f"brig login {closed}" in wrong.err and "wrong" not in wrong.err
    assert pull(brig, "--creds", creds, f"{closed}/closed:1").out == f"{closed}/closed:1\n"
    assert leftovers(brig) and not list((brig.root / "tmp").iterdir())


class TestLogin:
    def test_who_logs_in_can_push_and_pull_until_he_logs_out(self, brig, closed, tmp_path, busybox_image):
        auth = tmp_path / "auth.json"
        options = ["--authfile", auth]
        name = f"{closed}/team/tool:1"
        assert f"brig login {closed}" in brig.fails("push", *options, "--tls-verify=false", busybox_image, name).err
        login = ["login", *options, "--tls-verify=false", "-u", USER, "--password-stdin", closed]
        wrong = brig.fails(*login, input="wrong")
        assert "does not take this name and password" in wrong.err and not auth.exists()
        assert brig(*login, input=PASSWORD).out == f"logged in to {closed}\n"
        assert auth.stat().st_mode & 0o777 == 0o600
        assert brig("push", *options, "--tls-verify=false", busybox_image, name).out == f"{name}\n"
        assert pull(brig, *options, name).out == f"{name}\n"
        assert brig("logout", *options, closed).out == f"logged out from {closed}\n"
        assert f"brig login {closed}" in brig.fails("pull", *options, "--tls-verify=false", name).err
        assert "nobody is logged in" in brig.fails("logout", *options, closed).err

    def test_the_files_of_podman_and_docker_are_shared(self, brig, closed, tmp_path, layout):
        creds = f"{USER}:{PASSWORD}"
        layout(closed, "shared:1", ONE, options=["--dest-tls-verify=false", "--dest-creds", creds])
        home = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "PATH": os.environ["PATH"]}
        (tmp_path / "run").mkdir()
        run("podman", "login", "--tls-verify=false", "-u", USER, "-p", PASSWORD, closed, env=home)
        assert pull(brig, f"{closed}/shared:1", env=home).out == f"{closed}/shared:1\n"
        brig("logout", closed, env=home)
        (tmp_path / ".docker").mkdir()
        brig("login", "--tls-verify=false", "-u", USER, "--password-stdin", "--authfile", tmp_path / ".docker/config.json",
             closed, input=PASSWORD)
        assert "nothing new" in pull(brig, f"{closed}/shared:1", env=home).err

    def test_the_password_is_seen_by_nobody(self, brig, closed, tmp_path):
        login = ["--debug", "login", "--authfile", tmp_path / "auth.json", "--tls-verify=false", "-u", USER,
                 "--password-stdin", closed]
        with brig.popen(*login) as running:
            children = f"/proc/{running.pid}/task/{running.pid}/children"
            seen = []

            def child_runs():
                seen.extend(open(f"/proc/{pid}/cmdline").read() for pid in open(children).read().split())
                return any("skopeo" in line for line in seen)

            deadline = wait.Deadline(10, "skopeo to run")
            while not child_runs():
                deadline.left()
            running.send(PASSWORD)
            result = running.finish()
        assert result.code == 0 and not any(PASSWORD in text for text in (*seen, result.out, result.err))

    def test_without_a_terminal_the_password_comes_from_stdin(self, brig):
        assert "--password-stdin" in brig.fails("login", "127.0.0.1:1", input="x").err
        assert "--username" in brig.fails("login", "--password-stdin", "127.0.0.1:1", input="x").err


# --- what goes out ---

def test_what_is_pushed_is_what_others_pull(brig, registry, busybox_image):
    name = f"{registry}/out/tool:2"
    assert brig("push", "--tls-verify=false", busybox_image, name).out == f"{name}\n"
    digest = brig.json("image", "inspect", busybox_image)["digest"]
    theirs = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{name}"))
    assert theirs["Digest"] == digest and theirs["Os"] == "linux"
    assert pull(brig, f"{registry}/out/tool@{digest}").out
    assert "without TLS" in brig.fails("push", busybox_image, name).err
    assert "there is no image" in brig.fails("push", "nosuch").err
    assert "say NAME[:TAG]" in brig.fails("push", busybox_image, f"{registry}/x@{digest}").err


@pytest.mark.parametrize("transport", ["oci-archive", "oci", "dir"])
def test_images_are_pushed_to_files_too(brig, busybox_image, tmp_path, transport):
    brig("push", busybox_image, f"{transport}:{tmp_path}/out")
    assert json.loads(run("skopeo", "inspect", "--config", f"{transport}:{tmp_path}/out"))["os"] == "linux"
    assert "brig save" in brig.fails("push", busybox_image, f"docker-archive:{tmp_path}/other").err


def test_saved_images_come_back_with_their_digests_and_layers_once(brig, registry, layout, tmp_path):
    for name, layers in (("save:1", [ONE]), ("save:2", [ONE, BIG])):
        layout(registry, name, *layers)
        pull(brig, f"{registry}/{name}")
    names = [f"{registry}/save:1", f"{registry}/save:2"]
    brig("save", "-o", tmp_path / "both.tar", *names)
    with tarfile.open(tmp_path / "both.tar") as archive:
        blobs = [member.name for member in archive if member.isfile() and "/" in member.name]
    assert len(blobs) == len(set(blobs)) == 6
    digests = [brig.json("image", "inspect", name)["digest"] for name in names]
    brig("rmi", *names)
    assert brig("load", "-i", tmp_path / "both.tar").out.split() == names
    assert [brig.json("image", "inspect", name)["digest"] for name in names] == digests
    oci = brig("save", "--format", "oci-archive", names[0], text=False).out
    brig("rmi", names[0])
    assert brig("load", "-q", input=oci).out.split() == names[:1]


def test_what_is_saved_podman_loads_and_the_other_way_round(brig, busybox_image, tmp_path):
    brig("image", "tag", busybox_image, "localhost/saved:1")
    with Host() as host:
        podman = Podman(host)
        brig("save", "-o", host.folder / "saved.tar", "localhost/saved:1")
        podman("load", "-i", host.folder / "saved.tar")
        assert podman("run", "--rm", "localhost/saved:1", "echo", "yes").out == "yes\n"
        podman("save", "--format", "oci-archive", "-o", host.folder / "back", "localhost/saved:1")
        assert brig("load", "-i", host.folder / "back").out == "localhost/saved:1\n"


def test_an_archive_is_there_whole_or_not_at_all(brig, busybox_image, tmp_path):
    (tmp_path / "old").write_text("old")
    assert brig.fails("save", "-o", tmp_path / "old", busybox_image, "nosuch")
    assert (tmp_path / "old").read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["old"]
    with open("/dev/full", "wb"):
        assert "No space left" in brig.fails("save", "-o", "/dev/full", busybox_image).err
    assert "-o FILE" in brig.fails("save", busybox_image, tty=True).out
    assert "registries have no common way" in brig.fails("search", "web").err


# --- what goes wrong ---

def test_what_cannot_be_had_is_told(brig, registry):
    for name, told in ((f"{registry}/nowhere:1", f"the registry {registry} has no image '{registry}/nowhere:1'"),
                       ("127.0.0.1:1/x", "no registry answers at 127.0.0.1:1"),
                       ("UPPER", "not a valid image name"),
                       ("x@sha256:12", "x@sha256:12")):
        assert told in brig.fails("pull", "--tls-verify=false", name).err
    assert "without TLS, which --tls-verify=false allows" in brig.fails("pull", f"{registry}/nowhere:1").err
    without = brig.fails("pull", f"{registry}/nowhere:1", env={"PATH": "/nowhere"})
    assert "skopeo is not installed: apt install skopeo" in without.err
    assert not leftovers(brig)


def lies():
    """Of a registry that has the image lie:1 of the layers ONE and BIG."""
    def answer(path, data, **options):
        return lambda fake, at: fake.answers.update({at[path]: data})

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/octet-stream")
        handler.end_headers()
        try:
            while handler.command == "GET":
                handler.wfile.write(bytes(1 << 20))
        except ConnectionError:
            pass
        handler.close_connection = True

    def other_manifest(change):
        def tell(fake, at):
            document = json.loads(fake.blobs[fake.manifests["lie", "1"]["digest"][7:]])
            change(document["layers"][0])
            fake.answers[at["manifest"]] = encode(document)
            fake.answers[f"/v2/lie/manifests/sha256:{sha256(encode(document))}"] = encode(document)

        return tell

    def index_of_itself(fake, at):
        kind = "application/vnd.oci.image.index.v1+json"
        text = encode({"schemaVersion": 2, "mediaType": kind, "manifests": [
            {"mediaType": kind, "digest": f"sha256:{'a' * 64}", "size": 300,
             "platform": {"architecture": "amd64", "os": "linux"}}]})
        for path in (at["manifest"], f"/v2/lie/manifests/sha256:{'a' * 64}"):
            fake.answers[path] = lambda handler: fake.send(handler, text, kind)

    elsewhere = {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "urls": ["file:///etc/shadow"]}

    return {"another layer": answer("layer", b"x" * 1000), "a cut layer": answer("layer", b""),
            "a layer without end": answer("layer", endless), "garbage for a manifest": answer("manifest", b"\x00garbage"),
            "a deep manifest": answer("manifest", b"[" * 100000),
            "a manifest of another version": answer("manifest", b'{"schemaVersion":1}'),
            "a huge manifest": answer("manifest", b" " * (5 << 20)),
            "wrong sizes": other_manifest(lambda layer: layer.update(size=layer["size"] + 1)),
            "a negative size": other_manifest(lambda layer: layer.update(size=-1)),
            "a layer of elsewhere": other_manifest(lambda layer: layer.update(elsewhere)),
            "an index of itself": index_of_itself,
            "another configuration": answer("config", b"{}")}


def test_what_a_registry_lies_about_leaves_nothing(brig):
    oci = Oci().add("lie:1", ONE, BIG)
    document = json.loads(oci.files[f"blobs/sha256/{oci.manifests[0]['digest'][7:]}"])
    at = {"layer": f"/v2/lie/blobs/{document['layers'][1]['digest']}",
          "config": f"/v2/lie/blobs/{document['config']['digest']}", "manifest": "/v2/lie/manifests/1"}
    with FakeRegistry(oci) as fake:
        for lie, tell in lies().items():
            fake.answers.clear()
            tell(fake, at)
            result = brig.fails("pull", "--tls-verify=false", f"{fake.address}/lie:1")
            assert result.err.splitlines()[-1].startswith(f"brig: cannot pull {fake.address}/lie:1: "), lie
            assert brig("images", "-q").out == "", lie
            assert not [path for path in leftovers(brig) if not path.startswith("tmp/fetched")], lie
        fake.answers.clear()  # and an honest one is believed afterwards
        pull(brig, f"{fake.address}/lie:1")


def test_two_pulls_at_once_of_an_image_with_a_layer_twice(brig):
    with FakeRegistry(Oci().add("twice:1", ONE, BIG, ONE)) as fake:
        name = f"{fake.address}/twice:1"
        pulls = [brig.popen("pull", "--tls-verify=false", name) for _ in range(2)]
        assert [running.finish(60).code for running in pulls] == [0, 0]
    assert len(json.loads(brig("image", "inspect", name).out)["layers"]) == 3
    sound(brig)
    assert not list((brig.root / "tmp").iterdir())


def test_a_pull_that_is_killed_goes_on_where_it_was(brig):
    oci = Oci().add("stall:1", ONE, BIG)
    document = json.loads(oci.files[f"blobs/sha256/{oci.manifests[0]['digest'][7:]}"])
    small, big = (layer["digest"] for layer in document["layers"])
    going_on = threading.Event()

    def stall(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(fake.blobs[big[7:]])))
        handler.end_headers()
        handler.wfile.write(fake.blobs[big[7:]][:100000])
        going_on.wait(60)
        handler.close_connection = True

    with FakeRegistry(oci) as fake:
        fake.answers[f"/v2/stall/blobs/{big}"] = stall
        given_up = brig.fails("pull", "--tls-verify=false", "--stall-timeout", "1s", f"{fake.address}/stall:1")
        assert f"the registry {fake.address} stalls" in given_up.err and small[7:] in kept(brig)
        shutil.rmtree(brig.root / "tmp/fetched")
        with brig.popen("pull", "--tls-verify=false", f"{fake.address}/stall:1") as running:
            wait.file_state(brig.root / "tmp/fetched", lambda: small[7:] in kept(brig), 30)
            running.kill()
        going_on.set()
        assert brig("images", "-q").out == ""
        fake.answers.clear()
        fake.asked.clear()
        result = pull(brig, f"{fake.address}/stall:1")
        assert small[7:] not in fake.asked_for_blobs() and big[7:] in fake.asked_for_blobs()
        assert result.out == f"{fake.address}/stall:1\n"
    assert not list((brig.root / "tmp").iterdir())


def test_what_is_killed_at_any_moment_leaves_the_store_whole(brig, registry, layout, busybox_image, tmp_path):
    name, tmp = f"{registry}/killed:1", brig.root / "tmp"
    layout(registry, "killed:1", ONE, BIG)
    brig("run", "--name", "one", busybox_image, "sh", "-c", "dd if=/dev/urandom of=/big bs=1M count=8 2>/dev/null")
    pull(brig, name)
    brig("save", "-o", tmp_path / "killed.tar", name)
    brig("rmi", name)
    before = leftovers(brig)
    actions = ((name, "pull", "--tls-verify=false", name), ("made:1", "commit", "one", "made:1"),
               (name, "load", "-i", tmp_path / "killed.tar"))

    def do_all():
        for image, *words in actions:
            started = time.monotonic()
            brig(*words)
            yield time.monotonic() - started
            brig("rmi", image)

    took, seed = list(do_all()), time.time_ns()
    chance = random.Random(seed)
    for number in range(KILLS):
        image, *words = actions[number % len(actions)]
        with brig.popen(*words) as running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.process.wait(chance.uniform(0, took[number % len(actions)]))
            running.process.kill()
            running.process.wait()
        wait.file_state(tmp, lambda: not list(tmp.glob("import.*")), 20)
        sound(brig, f"kill {number} of {words[0]}, seed {seed}")
        names = [entry["reference"] for entry in brig.json("images")]
        assert set(names) <= {"busybox:latest", image}, f"kill {number} of {words[0]}, seed {seed}"
        if image in names:
            brig("rmi", image)
    list(do_all())
    assert leftovers(brig) == before, f"seed {seed}"


# --- run and create ---

class TestRun:
    @pytest.fixture(scope="class")
    def tool(self, registry, busybox_tree, tmp_path_factory):
        """An image with busybox in the registry, by its name without the registry's."""
        folder = tmp_path_factory.mktemp("tool")
        layer = run("tar", "-C", busybox_tree, "-c", ".")
        Oci().add("tool:1", layer).write(folder)
        run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{folder}", f"docker://{registry}/tool:1")
        return f"{registry}/tool:1"

    @pytest.fixture
    def insecure(self, registry, tmp_path):
        """registries.conf says that the registry has no TLS, since run has no option for it."""
        path = tmp_path / "registries.conf"
        path.write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
        return {"CONTAINERS_REGISTRIES_CONF": str(path)}

    def test_what_is_missing_is_fetched_and_run(self, brig, tool, insecure):
        result = brig("run", "--rm", tool, "echo", "hello", env=insecure)
        assert result.out == "hello\n" and " fetched, " in result.err

    def test_what_is_here_is_not_asked_for(self, brig, tool, insecure):
        brig("create", "--name", "first", tool, "true", env=insecure)
        gone = {"PATH": "/nowhere"}  # no skopeo
        assert brig("create", "--name", "second", tool, "true", env=gone).out == "second\n"
        assert "skopeo is not installed" in brig.fails("create", "--pull", "always", tool, "true", env=gone).err
        assert "nothing new" in brig("create", "--name", "third", "--pull", "always", tool, "true", env=insecure).err

    def test_a_short_name_is_looked_up_in_registries_conf(self, brig, tool, registry, tmp_path):
        conf = tmp_path / "short.conf"
        conf.write_text(f'unqualified-search-registries = ["127.0.0.1:1", "{registry}"]\n'
                        f'[aliases]\n"hammer" = "{registry}/tool"\n'
                        f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
        env = {"CONTAINERS_REGISTRIES_CONF": str(conf)}
        assert brig("run", "--rm", "hammer:1", "echo", "hello", env=env).out == "hello\n"
        assert "nothing new" in brig("pull", "tool:1", env=env).err
        assert brig("image", "ls", "-q", env=env).out.count("\n") == 1
        nowhere = brig.fails("pull", "nosuch:1", env=env).err
        assert f"cannot pull nosuch:1 (tried 127.0.0.1:1/nosuch:1, {registry}/nosuch:1)" in nowhere
        conf.write_text("unqualified-search-registries = []\n")
        assert "has none to search" in brig.fails("pull", "other", env=env).err

    def test_never_means_never(self, brig, tool, insecure):
        result = brig.fails("run", "--pull", "never", tool, "true", env=insecure)
        assert "there is no image" in result.err and "pull" in result.err

    def test_what_is_nowhere_is_told_in_one_line(self, brig):
        result = brig.fails("run", "nosuchthing", "true")
        assert "there is no image 'nosuchthing' here: cannot pull nosuchthing" in result.err
        assert len(result.err.splitlines()) == 1

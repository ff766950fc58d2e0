# SPDX-License-Identifier: MIT
"""The image: built from deploy/container/Containerfile as of the last commit, and run once against a PostgreSQL.

No registry is asked: the Debian that it begins with is made here. buildah runs it in a chroot, so there are no namespaces."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/integration"))

from lib import processes  # noqa: E402
from lib.postgres import Postgres  # noqa: E402
from lib.wait import wait_until  # noqa: E402

pytestmark = pytest.mark.long

ROOM = 6 << 30  # bytes that the images may take on the way: each step is a copy


class Buildah:
    """With a storage of its own, so that it meets no other image and leaves none."""

    def __init__(self, folder):
        storage = folder / "storage.conf"
        storage.write_text(f'[storage]\ndriver = "vfs"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/graph"\n')
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "SIDEPOOL"))}
        self.environment = {**kept, "CONTAINERS_STORAGE_CONF": str(storage), "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}

    def command(self, container, *command, env=()):
        return ["buildah", "run", "--isolation=chroot", "--network=host", *(f"--env={e}" for e in env), container, "--", *command]

    def __call__(self, *arguments, check=True):
        done = subprocess.run(
            ["buildah", *map(str, arguments)], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"buildah {arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def buildah(tmp_path_factory):
    if os.getuid() != 0 or not shutil.which("buildah"):
        pytest.skip("building the image takes root and buildah")
    if subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], check=False).returncode != 0:
        pytest.skip("building the image takes that one may mount")
    folder = tmp_path_factory.mktemp("container")
    if shutil.disk_usage(folder).free < ROOM:
        pytest.skip(f"building the image takes {ROOM >> 30} GiB in {folder}")
    yield Buildah(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(buildah, tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    debian = folder / "debian.tar"
    subprocess.run(["mmdebstrap", "--variant=minbase", "--quiet", "bookworm", debian], check=True, stdin=subprocess.DEVNULL)
    base = buildah("from", "scratch")
    buildah("add", "--quiet", base, debian, "/")
    buildah("commit", "--quiet", "--rm", base, "localhost/debian:bookworm")
    buildah("tag", "localhost/debian:bookworm", "localhost/debian:bookworm-slim")
    debian.unlink()
    subprocess.run(["git", "clone", "--quiet", TOP, folder / "source"], check=True)
    file = folder / "source/deploy/container/Containerfile"
    buildah("bud", "--format=docker", "--network=host", "--pull-never", "-f", file, "-t", "localhost/sidepool", folder / "source")
    return "localhost/sidepool"


def test_the_image_says_how_it_is_run(buildah, image):
    config = json.loads(buildah("inspect", "--type=image", image))["Docker"]["config"]
    assert config["User"] == "10001:10001" and config["Entrypoint"] == ["/usr/sbin/sidepoold"]
    assert list(config["Volumes"]) == ["/run/sidepool"] and config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "sidepool", "--timeout", "2s", "ping"]


@contextlib.contextmanager
def running(buildah, container, url, log):
    """The daemon in the container, as its entry point starts it."""
    command = buildah.command(container, "/usr/sbin/sidepoold", env=[f"DATABASE_URL={url}"])
    with log.open("w") as out:
        process = subprocess.Popen(command, env=buildah.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield process
    finally:
        for pid in processes.children(process.pid):
            processes.signal_if_alive(pid, signal.SIGKILL)
        process.kill()
        process.wait()


def daemon_of(process):
    """buildah's own helper bears the name too."""
    return [p for p in processes.children(process.pid) if pathlib.Path(f"/proc/{p}/cmdline").read_bytes().startswith(b"/usr/sbin/sidepoold\0")]


def test_the_image_runs(buildah, image, tmp_path):
    container = buildah("from", "--pull-never", image)
    folder = (pathlib.Path(buildah("mount", container)) / "run/sidepool").stat()  # buildah's copy of a volume has no setgid
    assert (stat.S_IMODE(folder.st_mode), folder.st_uid, folder.st_gid) == (0o2755, 10001, 10002)

    def inside(*command):
        done = subprocess.run(
            buildah.command(container, *command), env=buildah.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout.replace("\r\n", "\n").strip()

    log = tmp_path / "log"
    with Postgres() as pg, running(buildah, container, pg.tcp_url(), log) as process:
        wait_until("the health check passes", lambda: inside("sidepool", "--timeout", "2s", "ping")[0] == 0 or process.poll() is not None, 120)
        assert process.poll() is None, log.read_text()
        assert inside("sidepool", "query", "--csv", "select 6 * 7 as n") == (0, "n\n42")
        assert inside("id", "-u") == (0, "10001")
        (daemon,) = daemon_of(process)
        os.kill(daemon, signal.SIGTERM)
        process.wait(60)
        assert "notice: stopped" in log.read_text()

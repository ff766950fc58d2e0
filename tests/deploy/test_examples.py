# SPDX-License-Identifier: MIT
"""The examples: configurations that the daemon accepts, a container image, a pod."""
import copy
import os
import pathlib
import re
import subprocess

import kubernetes_validate
import pytest
import yaml

pytestmark = pytest.mark.fast

TOP = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = sorted((TOP / "deploy/examples").glob("*.conf"))


def sidepoold_says(sidepoold, *arguments, **more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "SIDEPOOL", "DATABASE_URL", "DB_"))}
    environment = {**kept, "DATABASE_URL": "postgresql://a@b/c", **more}
    done = subprocess.run([sidepoold, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_there_is_one_for_each_place():
    assert [p.stem for p in EXAMPLES] == ["development", "production", "staging"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_the_daemon_accepts_it_without_a_warning(example, sidepoold):
    status, said, complaints = sidepoold_says(sidepoold, "--config", example, "--print-config", CREDENTIALS_DIRECTORY="/run/credentials")
    assert (status, complaints) == (0, "")
    # What the file says is what is in force: nothing in it is overruled or forgotten.
    for name, value in re.findall(r"^(\w+) = (.*)$", example.read_text(), re.M):
        value = value.replace("$CREDENTIALS_DIRECTORY", "/run/credentials")
        assert re.search(rf"^{name} = {re.escape(value)} ; {re.escape(str(example))}:\d+$", said, re.M), (name, value)


def test_the_image_has_what_the_programs_load(sidepoold, sidepool):
    """Each shared library that our programs load by themselves is of a package that the image installs."""
    text = (TOP / "deploy/container/Containerfile").read_text()
    image = text.split("FROM debian:bookworm-slim")[1]
    for program in (sidepoold, sidepool):
        needed = re.findall(r"NEEDED +(\S+)", subprocess.run(["objdump", "-p", program], capture_output=True, text=True, check=True).stdout)
        for library in needed:
            if library.startswith(("libc.", "libm.", "libsidepool.", "ld-linux", "libasan.", "libubsan.")):
                continue
            found = subprocess.run(["dpkg", "-S", f"*/{library}"], capture_output=True, text=True, check=False).stdout
            owners = set(re.findall(r"^([^:,\s]+)", found, re.M))
            assert owners & set(image.split()), f"{program} needs {library} of {owners}"


def test_the_image_copies_what_is_installed(installed):
    text = (TOP / "deploy/container/Containerfile").read_text()
    copied = re.findall(r"^COPY --from=build /image/usr/(\S+) /usr/", text, re.M)
    assert len(copied) >= 3 and all(installed.path(path).exists() for path in copied)


@pytest.fixture(scope="module")
def pod():
    documents = {d["kind"]: d for d in yaml.safe_load_all((TOP / "deploy/kubernetes/sidecar.yaml").read_text())}
    assert set(documents) == {"Secret", "ConfigMap", "Deployment"}
    return documents


# The first version that has native sidecars by default, and the last of this package of schemas.
@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_kubernetes_knows_all_of_it(pod, version):
    for document in pod.values():
        assert kubernetes_validate.validate(document, version, strict=True) == version


def test_a_mistake_in_the_pod_would_be_found(pod):
    def refused(change, version="1.29"):
        document = copy.deepcopy(pod["Deployment"])
        change(document["spec"]["template"]["spec"]["initContainers"][0])
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(document, version, strict=True)

    refused(lambda sidecar: sidecar.update(restartpolicy="Always"))
    refused(lambda sidecar: sidecar["startupProbe"].update(periodSeconds="1s"))
    refused(lambda sidecar: None, version="1.27")  # there an init container has no restartPolicy


def test_every_container_is_as_small_as_it_can_be(pod):
    spec = pod["Deployment"]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["automountServiceAccountToken"] is False
    for container in [*spec["initContainers"], *spec["containers"]]:
        context = container["securityContext"]
        assert context["runAsUser"] > 10000 and context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"]
        assert context["capabilities"] == {"drop": ["ALL"]} and "memory" in container["resources"]["limits"]


def test_the_probes_are_commands_of_the_image(pod, sidepool):
    """They fail where no daemon is, and not for how they are called; a probe lasts longer than its command."""
    text = (TOP / "deploy/container/Containerfile").read_text()
    assert re.search(r"^COPY --from=build /image/usr/bin/sidepool /usr/bin/$", text, re.M)
    (sidecar,) = pod["Deployment"]["spec"]["template"]["spec"]["initContainers"]
    for probe in (sidecar["startupProbe"], sidecar["livenessProbe"]):
        program, *arguments = probe["exec"]["command"]
        done = subprocess.run([sidepool, *arguments], env={**os.environ, "SIDEPOOL_SOCKET": "/nowhere/rpc.sock"}, check=False, capture_output=True)
        assert (program, done.returncode) == ("sidepool", 3), done.stderr
        assert int(re.fullmatch(r"(\d+)s", arguments[arguments.index("--timeout") + 1])[1]) < probe["timeoutSeconds"]
    volume = re.search(r"^VOLUME (\S+)$", text, re.M)[1]
    assert {m["mountPath"] for m in sidecar["volumeMounts"] if m["name"] == "sidepool"} == {volume}
    assert re.search(r'^ENTRYPOINT \["/usr/sbin/sidepoold"\]$', text, re.M) and "command" not in sidecar, "its arguments are the daemon's"


def test_the_pods_configuration_is_accepted(pod, sidepoold, tmp_path):
    config = tmp_path / "sidepool.conf"
    config.write_text(pod["ConfigMap"]["data"]["sidepool.conf"])
    status, said, complaints = sidepoold_says(sidepoold, "--config", config, "--print-config")
    assert (status, complaints) == (0, "") and re.search(r"^shutdown_timeout = 20s ", said, re.M)
    spec = pod["Deployment"]["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > 20
    users = {str(c["securityContext"]["runAsUser"]) for c in spec["containers"]}
    assert set(re.findall(r"^match_user = (\d+)$", config.read_text(), re.M)) == users


def test_the_sidecar_stays_and_everything_that_is_mounted_is_there(pod):
    spec = pod["Deployment"]["spec"]["template"]["spec"]
    assert pod["Deployment"]["spec"]["selector"]["matchLabels"] == pod["Deployment"]["spec"]["template"]["metadata"]["labels"]
    (sidecar,) = spec["initContainers"]
    assert sidecar["restartPolicy"] == "Always" and "startupProbe" in sidecar, "else it would not be a sidecar, or be waited for"
    volumes = {v["name"]: v for v in spec["volumes"]}
    for container in [sidecar, *spec["containers"]]:
        mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
        assert set(mounts) <= set(volumes) and mounts["sidepool"] == "/run/sidepool"
        places = sorted(mounts.values())
        assert not [a for a in places for b in places if b.startswith(a + "/")], "a mount in a read-only mount cannot be made"
    assert volumes["sidepool-config"]["configMap"]["name"] == pod["ConfigMap"]["metadata"]["name"]
    assert volumes["sidepool-secret"]["secret"]["secretName"] == pod["Secret"]["metadata"]["name"]
    mounts = {m["name"]: m["mountPath"] for m in sidecar["volumeMounts"]}
    assert sidecar["args"] == ["--config", f"{mounts['sidepool-config']}/sidepool.conf"]
    (password,) = pod["Secret"]["stringData"]
    assert f"password_file = {mounts['sidepool-secret']}/{password}\n" in pod["ConfigMap"]["data"]["sidepool.conf"]


def test_the_image_and_the_pod_agree_on_users(pod):
    text = (TOP / "deploy/container/Containerfile").read_text()
    spec = pod["Deployment"]["spec"]["template"]["spec"]
    (sidecar,) = spec["initContainers"]
    assert f"USER {sidecar['securityContext']['runAsUser']}:" in text
    assert f"groupadd --system --gid {spec['securityContext']['fsGroup']} sidepool-clients" in text
    assert sidecar["securityContext"]["runAsGroup"] == spec["securityContext"]["fsGroup"]

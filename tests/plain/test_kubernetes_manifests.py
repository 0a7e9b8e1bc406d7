"""The manifests of deploy/kubernetes: the schemas of Kubernetes 1.30 to 1.37, and what must agree with another file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy" / "kubernetes"
OPERATOR = DEPLOY / "components" / "prometheus-operator"
VERSIONS = [f"1.{minor}" for minor in range(30, 38)]

RULE_HEAD = """\
# Made from deploy/prometheus/otel-oom.rules.yml, which has the comments: `make tables` writes this file.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: otel-oom
spec:
"""


def kustomization() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
    return content


def objects() -> dict[tuple[str, str], dict[str, Any]]:
    """Every object that `kubectl apply -k deploy/kubernetes` makes, but for its ConfigMap; by kind and name."""
    texts = [(DEPLOY / name).read_text() for name in kustomization()["resources"]]
    documents = [document for text in texts for document in yaml.safe_load_all(text)]
    return {(document["kind"], document["metadata"]["name"]): document for document in documents}


def pod(kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = objects()[kind, name]["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_of_kubernetes_knows_every_field(version: str) -> None:
    for document in objects().values():
        kubernetes_validate.validate(document, version, strict=True)


def test_images_are_named_in_one_place() -> None:
    named = {image["name"] for image in kustomization()["images"]}
    pods = [pod("DaemonSet", "otel-oom"), pod("Deployment", "otel-oom-collector")]
    assert {container["image"] for one in pods for container in one["containers"]} == named


def test_the_agent_sends_to_the_service_of_the_collector() -> None:
    (agent,) = pod("DaemonSet", "otel-oom")["containers"]
    environment = {variable["name"]: variable.get("value") for variable in agent["env"]}
    (service,) = [name for kind, name in objects() if kind == "Service"]
    ports = [port["port"] for port in objects()["Service", service]["spec"]["ports"]]
    config = yaml.safe_load((DEPLOY / "collector-config.yaml").read_text())
    listens = {protocol["endpoint"] for protocol in config["receivers"]["otlp"]["protocols"].values()}
    listens |= {config["exporters"]["prometheus"]["endpoint"]}
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://{service}:4318"
    assert {f"0.0.0.0:{port}" for port in ports} == listens


def test_every_log_record_gets_the_names_of_its_pod() -> None:
    """The keys that groupbyattrs moves to the resource are those that k8s_attributes looks for, in this order."""
    config = yaml.safe_load((DEPLOY / "collector-config.yaml").read_text())
    for name, pipeline in config["service"]["pipelines"].items():
        if name.startswith("logs"):
            assert pipeline["processors"] == ["memory_limiter", "groupbyattrs", "k8s_attributes"]
    (association,) = config["processors"]["k8s_attributes"]["pod_association"]
    assert {source["name"] for source in association["sources"]} <= set(config["processors"]["groupbyattrs"]["keys"])
    assert "container.id" in config["processors"]["groupbyattrs"]["keys"]  # for k8s.container.name


def test_the_collector_may_watch_what_its_processor_watches_and_no_more() -> None:
    rules = objects()["ClusterRole", "otel-oom-collector"]["rules"]
    assert rules == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]
    config = yaml.safe_load((DEPLOY / "collector-config.yaml").read_text())
    # What needs no other object: names. Labels, annotations and uids of a workload would.
    extract = config["processors"]["k8s_attributes"]["extract"]
    assert set(extract) == {"metadata"}
    assert all(name.endswith((".name", ".tag")) for name in extract["metadata"])


def test_the_prometheus_rule_is_the_file_of_rules() -> None:
    text = (ROOT / "deploy" / "prometheus" / "otel-oom.rules.yml").read_text()
    _, _, groups = text.partition("\ngroups:\n")
    made = RULE_HEAD + "".join(f"  {line}\n" if line else "\n" for line in f"groups:\n{groups}".splitlines())
    file = OPERATOR / "prometheus-rule.yaml"
    if os.environ.get("OTEL_OOM_TABLES") == "write":
        file.write_text(made)
    if file.read_text() != made:
        pytest.fail(f"{file.relative_to(ROOT)} is out of date: run `make tables`", pytrace=False)
    assert yaml.safe_load(made)["spec"] == yaml.safe_load(text)

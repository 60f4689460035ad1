#!/usr/bin/env bash
# Submits one job to Kubernetes in cluster deploy mode, with the image of the Containerfile.
#
#   K8S_MASTER=k8s://https://host:6443 IMAGE=registry/crm-spark:0.1.0 \
#     conf/deploy/kubernetes/submit.sh run_pipeline s3a://bucket/conf/prod.yml --as-of 2025-06-30
#
# The configuration is any Hadoop path that the driver pod sees. The tracking store has to be a
# server: a file of the pod would be gone with it.
set -euo pipefail
: "${K8S_MASTER:?the URL of the API server, as k8s://https://host:port}"
: "${IMAGE:?the image built from conf/deploy/kubernetes/Containerfile}"
job="${1:?a job, such as run_pipeline}"
config="${2:?the configuration, on a path that the driver pod sees}"
shift 2
root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../../.." && pwd)"
exec "${SPARK_SUBMIT:-spark-submit}" \
  --master "$K8S_MASTER" --deploy-mode cluster --name "crm-spark-${job//_/-}" \
  --properties-file "${PROPERTIES:-$root/conf/spark/small_cluster.conf}" \
  --conf spark.kubernetes.container.image="$IMAGE" \
  --conf spark.kubernetes.namespace="${NAMESPACE:-default}" \
  --conf spark.kubernetes.authenticate.driver.serviceAccountName="${SERVICE_ACCOUNT:-spark}" \
  "local:///opt/crm_spark/jobs/$job.py" --config "$config" "$@"

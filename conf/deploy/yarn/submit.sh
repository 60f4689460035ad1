#!/usr/bin/env bash
# Submits one job to YARN in cluster deploy mode. The nodes need Java 17 and Python 3.11 alone: the
# packages travel as an archive, made by scripts/build_env on a machine of the same kind.
#
#   conf/deploy/yarn/submit.sh run_pipeline conf/prod.yml --as-of 2025-06-30
#
# The configuration is a file here; it is shipped and found by its name. The tracking store has to
# be a server: a file of the node that drives would be lost.
set -euo pipefail
job="${1:?a job, such as run_pipeline}"
config="${2:?a configuration file}"
shift 2
root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../../.." && pwd)"
exec "${SPARK_SUBMIT:-spark-submit}" \
  --master "${MASTER:-yarn}" --deploy-mode "${DEPLOY_MODE:-cluster}" \
  --properties-file "${PROPERTIES:-$root/conf/spark/small_cluster.conf}" \
  --packages io.delta:delta-spark_4.2_2.13:4.4.0 \
  --py-files "$root/dist/crm_spark.zip" \
  --archives "$root/dist/crm_spark_env.tar.gz#env" \
  --conf spark.yarn.appMasterEnv.PYSPARK_PYTHON=./env/bin/python \
  --conf spark.executorEnv.PYSPARK_PYTHON=./env/bin/python \
  --files "$config" \
  "$root/jobs/$job.py" --config "$(basename -- "$config")" "$@"

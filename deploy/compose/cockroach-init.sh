#!/bin/sh
# Makes one cluster of the CockroachDB nodes, and the database and the role that the stacks use. It may run again.
# The regions of the database are declared by `meridian migrate`. COCKROACH_LICENSE, if not empty, is the cluster's
# license key, for whom COCKROACH_ORGANIZATION names: without one, CockroachDB refuses all but five transactions at a time
# after seven days.
set -eu

sql() {
  cockroach sql --insecure --host="$COCKROACH_HOST" --execute="$1"
}

until answer=$(cockroach init --insecure --host="$COCKROACH_HOST" 2>&1); do
  case $answer in *"already been initialized"*) break ;; esac
  echo "cockroach-init: $answer; trying again" >&2
  sleep 1
done
until sql "SELECT 1" >/dev/null; do
  sleep 1
done
if [ -n "${COCKROACH_LICENSE:-}" ]; then
  sql "SET CLUSTER SETTING cluster.organization = '${COCKROACH_ORGANIZATION:?is the name on the license}'"
  sql "SET CLUSTER SETTING enterprise.license = '$COCKROACH_LICENSE'"
fi
# A node that is stopped serves on until whoever sends it connections has seen two probes fail, 5 s apart.
sql "SET CLUSTER SETTING server.shutdown.initial_wait = '20s'"
# How far ahead GLOBAL rows are written: docs/explanation/locality-model.md adds it up.
sql "SET CLUSTER SETTING kv.closed_timestamp.lead_for_global_reads_override = '650ms'"
sql "CREATE DATABASE IF NOT EXISTS meridian"
sql "CREATE USER IF NOT EXISTS meridian"
echo "cockroach-init: the cluster is ready"

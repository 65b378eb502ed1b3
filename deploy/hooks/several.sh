#!/bin/sh
# Runs several hooks, one after the other: HOOK_COMMAND=several.sh "influxdb.sh 'URL'" "ntfy.sh 'ntfy.curl'"
# Each argument is a command for the shell. It stops at the first hook that fails, and a retry begins with the first hook.
# So put what may run twice first, and messages last. All of them have the 30 s together.
set -eu

: "${1:?which hooks?}"
reading=$(cat)

for command do
  printf '%s\n' "$reading" | sh -c "$command" || {
    code=$?
    echo "this hook failed: ${command%% *}" >&2
    exit "$code"
  }
done

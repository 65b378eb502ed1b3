#!/bin/sh
# Keeps the newest values of each person for Prometheus: HOOK_COMMAND=prometheus.sh '/var/lib/prometheus/node-exporter'
# Needs jq, and node_exporter, which reads this directory (--collector.textfile.directory). Every user of this computer
# can read the files. A file is replaced as a whole, so node_exporter never reads half of one.
set -eu

directory=${1:?which directory?}
reading=$(cat)
pick() { printf '%s\n' "$reading" | jq --raw-output "$@"; }

case $(pick .kind) in
  weigh_in | reading | addition | correction | withdrawn) ;;
  *) exit 0 ;;
esac

name=weighbridge-$(pick .userid)
file=$directory/$name.prom
new=$directory/.$name.new
before=$file
[ -e "$file" ] || before=/dev/null

# The first line is a comment with what the file holds: value, time and groups of each quantity. Prometheus skips it.
pick --rawfile before "$before" '
  def quoted: gsub("\\\\"; "\\\\") | gsub("\""; "\\\"") | gsub("\n"; " ");
  . as $reading
  | ($before | split("\n") | .[0] // "" | ltrimstr("# ") | fromjson? // {}) as $known
  # A correction may bring fewer quantities, or another time: what the group had goes first.
  | ($known | if $reading.kind | IN("correction", "withdrawn")
     then with_entries(select(.value.groups | index($reading.grpid) | not)) else . end) as $kept
  | (if .kind == "withdrawn" then $kept
     else reduce (.measures | to_entries[]) as $measure ($kept;
       if (.[$measure.key].at // 0) > $reading.timestamp then .
       else .[$measure.key] = { value: $measure.value, at: $reading.timestamp, groups: $reading.groups } end)
     end) as $values
  | "userid=\"\(.userid)\",name=\"\(.name // .userid | quoted)\"" as $who
  | "# \($values | tojson)",
    "# HELP weighbridge_value The newest value, in SI units.",
    "# TYPE weighbridge_value gauge",
    ($values | to_entries[] | "weighbridge_value{\($who),quantity=\"\(.key)\"} \(.value.value)"),
    "# HELP weighbridge_measured_at_seconds When this value was measured.",
    "# TYPE weighbridge_measured_at_seconds gauge",
    ($values | to_entries[] | "weighbridge_measured_at_seconds{\($who),quantity=\"\(.key)\"} \(.value.at)")' >"$new"

chmod 644 "$new"
mv "$new" "$file"

#!/bin/sh
# Appends each weight to a CSV file: HOOK_COMMAND=./deploy/hooks/append-csv.sh 'weights.csv'
# A weigh-in that Withings changes later is appended again; the last row of a grpid counts.
set -eu

file=${1:-weights.csv}
[ -n "${WEIGHBRIDGE_WEIGHT:-}" ] || exit 0
# It may be somebody else's: when Withings knows whose, it comes again.
[ "${WEIGHBRIDGE_AMBIGUOUS:-false}" = false ] || exit 0

# A name may hold commas and quotes.
name=$(printf '%s' "${WEIGHBRIDGE_NAME:-}" | sed 's/"/""/g')

umask 077
[ -s "$file" ] || echo 'date,userid,name,grpid,weight_kg,change_kg' >>"$file"
printf '%s,%s,"%s",%s,%s,%s\n' "$WEIGHBRIDGE_DATE" "$WEIGHBRIDGE_USERID" "$name" "$WEIGHBRIDGE_GRPID" \
  "$WEIGHBRIDGE_WEIGHT" "${WEIGHBRIDGE_CHANGE:-}" >>"$file"

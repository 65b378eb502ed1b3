#!/bin/sh
# Appends each weight to a CSV file: HOOK_COMMAND=append-csv.sh 'weights.csv'
# Weigh-ins only: the file keeps what Withings changes or withdraws later. `weighbridge export` has the current state.
set -eu

file=${1:-weights.csv}
[ "${WEIGHBRIDGE_KIND:-}" = weigh_in ] || exit 0

# A name may contain commas and quotes.
name=$(printf '%s' "${WEIGHBRIDGE_NAME:-}" | sed 's/"/""/g')

# A spreadsheet would run a cell that begins with one of these; `weighbridge export` puts the same mark before it.
tab=$(printf '\t')
return=$(printf '\r')
case $name in
  [=+@-]* | "$tab"* | "$return"* | ＝* | ＋* | －* | ＠*) name="'$name" ;;
esac

umask 077
[ -s "$file" ] || echo 'date,userid,name,grpid,weight_kg,change_kg' >>"$file"
printf '%s,%s,"%s",%s,%s,%s\n' "$WEIGHBRIDGE_DATE" "$WEIGHBRIDGE_USERID" "$name" "$WEIGHBRIDGE_GRPID" \
  "$WEIGHBRIDGE_WEIGHT" "${WEIGHBRIDGE_CHANGE:-}" >>"$file"

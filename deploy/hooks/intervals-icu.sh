#!/bin/sh
# Enters the weight and the fat ratio of one person at intervals.icu: HOOK_COMMAND=intervals-icu.sh 1234 'intervals.curl'
# Needs curl and jq. The first argument is the person's number at Withings, because an API key is for one athlete. The
# second one is a file of options for curl. It holds the secret, so make it readable for weighbridge alone:
#   user = "API_KEY:KEY"
# API_KEY stays as it is; KEY is in the settings of intervals.icu, "Developer settings".
set -eu

userid=${1:?whose: which userid?}
file=${2:?which file of options for curl?}
site=${3:-https://intervals.icu}
reading=$(cat)
pick() { printf '%s\n' "$reading" | jq --raw-output "$1"; }

[ "$(pick .userid)" = "$userid" ] || exit 0
day=$(pick '.date[:10] // empty')
case $(pick .kind) in
  weigh_in | addition | correction) ;;
  withdrawn)
    # intervals.icu keeps one weight a day, and this day may have another weigh-in.
    echo "intervals.icu keeps its weight of $day: correct the weight there if it is wrong" >&2
    exit 0
    ;;
  *) exit 0 ;;
esac

# intervals.icu keeps the values that the request leaves out.
wellness=$(pick '
  { weight: .measures.weight, bodyFat: .measures.fat_ratio } | with_entries(select(.value != null)) | select(. != {}) | tojson')
[ -n "$wellness" ] || exit 0

answer=$(printf '%s' "$wellness" |
  curl --fail-with-body --silent --show-error --max-time 20 --config "$file" --request PUT \
    --header 'Content-Type: application/json' --data-binary @- -- "$site/api/v1/athlete/0/wellness/$day") || {
  code=$?
  printf '%s\n' "$answer" >&2
  exit "$code"
}

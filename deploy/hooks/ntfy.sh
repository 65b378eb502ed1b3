#!/bin/sh
# Sends a message through ntfy: HOOK_COMMAND=ntfy.sh 'ntfy.curl'
# Needs curl. The argument is a file of options for curl. It holds the secrets, so make it readable for weighbridge alone:
#   url = "https://ntfy.sh/TOPIC"
#   header = "Authorization: Bearer tk_…"
# The second line is for a topic that asks for a token. Anyone who knows a topic without a token can read it.
set -eu

: "${1:?which file of options for curl?}"

# Late readings are not news; held readings are always late. Other kinds change or complete an earlier reading.
case ${WEIGHBRIDGE_KIND:-} in
  weigh_in | reading | in_bed | out_of_bed) [ "$WEIGHBRIDGE_LATE" = false ] || exit 0 ;;
  held) ;;
  *) exit 0 ;;
esac

# Any answer but 2xx is a failure, and weighbridge retries. The answer says what is wrong.
answer=$(printf '%s' "$WEIGHBRIDGE_TEXT" |
  curl --fail-with-body --silent --show-error --max-time 20 --config "$1" --data-binary @-) || {
  code=$?
  printf '%s\n' "$answer" >&2
  exit "$code"
}

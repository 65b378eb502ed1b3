#!/bin/sh
# Sends a message through a Telegram bot: HOOK_COMMAND=telegram.sh 'telegram.curl'
# Needs curl. The argument is a file of options for curl. It holds the secrets, so make it readable for weighbridge alone:
#   url = "https://api.telegram.org/botTOKEN/sendMessage"
#   data-urlencode = "chat_id=CHAT"
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
  curl --fail-with-body --silent --show-error --max-time 20 --config "$1" --data-urlencode text@-) || {
  code=$?
  printf '%s\n' "$answer" >&2
  exit "$code"
}

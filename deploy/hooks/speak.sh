#!/bin/sh
# Says a weigh-in out loud: HOOK_COMMAND=speak.sh
# Needs a loudspeaker, and "sudo apt install espeak-ng". An argument is the voice: speak.sh de
set -eu

# Late readings are not news. Other kinds are additions, corrections, or readings without a weight.
[ "${WEIGHBRIDGE_KIND:-}" = weigh_in ] || exit 0
[ "$WEIGHBRIDGE_LATE" = false ] || exit 0

exec espeak-ng -v "${1:-en}" -- "$WEIGHBRIDGE_TEXT"

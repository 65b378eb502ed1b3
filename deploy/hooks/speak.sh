#!/bin/sh
# Says a weigh-in out loud: HOOK_COMMAND=./deploy/hooks/speak.sh
# Needs a loudspeaker, and "sudo apt install espeak-ng". An argument is the voice: speak.sh de
set -eu

# What is late is no news, and heart rates alone are not worth a word.
[ "$WEIGHBRIDGE_LATE" = false ] || exit 0
[ -n "${WEIGHBRIDGE_WEIGHT:-}" ] || exit 0

exec espeak-ng -v "${1:-en}" -- "$WEIGHBRIDGE_TEXT"

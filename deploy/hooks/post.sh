#!/bin/sh
# Sends each reading to a URL, as JSON: HOOK_COMMAND=post.sh 'https://example.org/weights'
# It sends all kinds: the server must look at "kind", and replace or remove what has the same "grpid".
# A second argument is a file with more headers for curl, one a line: "Authorization: Bearer …". Other users can read
# the arguments of a program. So put a password into such a file, and run chmod 600 on it.
set -eu

url=${1:?which URL?}

# Any answer but 2xx is a failure, and weighbridge retries. 20 s are less than the 30 s of weighbridge.
exec curl --fail --silent --show-error --output /dev/null --max-time 20 \
  --header 'Content-Type: application/json' ${2:+--header "@$2"} --data-binary @- -- "$url"

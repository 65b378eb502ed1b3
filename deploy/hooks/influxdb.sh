#!/bin/sh
# Writes each reading to InfluxDB, at the time of its measurement: HOOK_COMMAND=influxdb.sh 'URL' 'influxdb.curl'
# Needs curl and jq. The URL is the one for writing:
#   InfluxDB 2 and 3: http://localhost:8086/api/v2/write?org=ORG&bucket=BUCKET
#   InfluxDB 1:       http://localhost:8086/write?db=DATABASE
# The second argument is a file of options for curl. It holds the secret, so make it readable for weighbridge alone:
#   InfluxDB 2 and 3: header = "Authorization: Token TOKEN"
#   InfluxDB 1:       user = "NAME:PASSWORD"
# Without a login at InfluxDB, leave out the file. Times are nanoseconds, as InfluxDB expects.
set -eu

url=${1:?which URL?}
file=${2:-}
reading=$(cat)
pick() { printf '%s\n' "$reading" | jq --raw-output "$1"; }
kind=$(pick .kind)

# Sends standard input, and prints the answer and its status.
send() { curl --silent --show-error --max-time 20 --write-out ' %{http_code}' ${file:+--config "$file"} "$@"; }

case $kind in
  weigh_in | reading | addition | correction)
    # The same line as `weighbridge export --format influx`. A backslash at the end would take the next sign with it.
    line=$(pick '
      def tag: gsub("[\r\n]"; " ") | sub("\\\\+$"; "") | gsub("(?<sign>[,= ])"; "\\\(.sign)");
      (.name // "" | tag) as $name
      | (.measures | to_entries | map("\(.key)=\(.value)") | join(",")) as $fields
      | select($fields != "")
      | "weighbridge,userid=\(.userid)\(if $name == "" then "" else ",name=\($name)" end) \($fields) \(.timestamp)000000000"')
    [ -n "$line" ] || exit 0
    answer=$(printf '%s\n' "$line" | send --header 'Content-Type: text/plain; charset=utf-8' --data-binary @- -- "$url")
    ;;
  withdrawn)
    # InfluxDB deletes whole points: everything that the person has at this second.
    case $url in
      */api/v2/write*)
        answer=$(pick '{
            start: .timestamp | todate,
            stop: .timestamp | todate | sub("Z$"; ".999999999Z"),
            predicate: "_measurement=\"weighbridge\" AND userid=\"\(.userid)\"" }' |
          send --header 'Content-Type: application/json' --data-binary @- -- "${url%/write*}/delete${url##*/write}")
        ;;
      *)
        answer=$(pick '"DELETE FROM weighbridge WHERE userid = \u0027\(.userid)\u0027 AND time = \(.timestamp)000000000"' |
          send --data-urlencode q@- -- "${url%/write*}/query${url##*/write}")
        ;;
    esac
    ;;
  *) exit 0 ;;
esac

status=${answer##* }
body=${answer% *}
case "$kind $status" in
  'withdrawn 404' | 'withdrawn 405' | 'withdrawn 501')
    echo "this server cannot delete: it keeps the values of $(pick '"\(.userid) at \(.date)"')" >&2
    exit 0
    ;;
esac
# InfluxDB 1 answers 200 to a query that it refuses.
case $status$body in
  2*'"error"'*) ;;
  2*) exit 0 ;;
esac
echo "InfluxDB answered $status: $body" >&2
exit 1

#!/bin/sh
# Starts weighbridge in the app, as user 1000. What the Supervisor writes or restores in /data belongs to root.
set -eu
chown --recursive --no-dereference 1000:1000 /data
export HOME=/data
exec setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all weighbridge serve

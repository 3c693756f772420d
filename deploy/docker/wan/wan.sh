#!/bin/sh
# Delays what leaves over the wide area network: wan NETWORK DESTINATION=DELAY...
# NETWORK is the wide area network; DESTINATION is another region's part of it. Nothing else is delayed. Both ends of
# a connection have a sidecar, so that each delays by half of the round trip. `wan check` fails until all is in place.
set -eu

ready=/run/wan/ready # in memory, so that a restart begins anew

if [ "$1" = check ]; then
  [ -e "$ready" ]
  exit
fi

network=$1
shift
device=$(ip -o -4 route show "$network" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
if [ -z "$device" ]; then
  echo "wan: no interface is in $network" >&2
  exit 1
fi

# A class of 1 Gbit/s for each destination. What no filter takes goes to none of them, undelayed.
tc qdisc replace dev "$device" root handle 1: htb default 0
class=1
for rule; do
  tc class add dev "$device" parent 1: classid "1:$class" htb rate 1gbit burst 1m quantum 60000
  tc qdisc add dev "$device" parent "1:$class" netem delay "${rule#*=}" limit 100000
  tc filter add dev "$device" parent 1: protocol ip prio 1 u32 match ip dst "${rule%=*}" flowid "1:$class"
  echo "wan: to ${rule%=*} on $device: ${rule#*=} later"
  class=$((class + 1))
done
touch "$ready"
exec sleep 2147483647

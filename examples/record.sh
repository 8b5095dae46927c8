#!/bin/sh
# Records traffic.pcapng: real traffic between two network namespaces that this makes and removes.
# Needs root, iproute2, ethtool, tcpdump, tshark's editcap, python3, curl.
# usage: examples/record.sh [OUTPUT]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/traffic.pcapng}
a=skep-client b=skep-server
tmp=$(mktemp -d)
pids=

cleanup() {
	for pid in $pids; do kill "$pid" 2>/dev/null || true; done
	ip netns del $a 2>/dev/null || true
	ip netns del $b 2>/dev/null || true
	rm -rf "$tmp"
}
trap cleanup EXIT INT TERM

client() { nsenter --net=/run/netns/$a "$@"; }
server() { nsenter --net=/run/netns/$b "$@"; }
spawn() { # spawn NAMESPACE COMMAND...: in the background, ended with the script
	ns=$1
	shift
	nsenter --net=/run/netns/"$ns" "$@" >/dev/null 2>&1 &
	pids="$pids $!"
}

ip netns add $a
ip netns add $b
ip link add veth-c netns $a address 02:00:00:07:00:01 type veth peer name veth-s netns $b address 02:00:00:07:00:02
client ip link set veth-c up
server ip link set veth-s up
# No offloads: checksums are filled in and segments are cut, as on a wire.
for option in tx rx tso gso gro; do
	client ethtool -K veth-c $option off >/dev/null 2>&1 || true
	server ethtool -K veth-s $option off >/dev/null 2>&1 || true
done
client ip addr add 10.7.0.1/24 dev veth-c
client ip addr add 10.7.0.66/24 dev veth-c
server ip addr add 10.7.0.2/24 dev veth-s
for subnet in fd07:: fd07:0:0:66::; do
	client ip addr add ${subnet}1/64 dev veth-c nodad
	server ip addr add ${subnet}2/64 dev veth-s nodad
done

spawn $b tcpdump -i veth-s -s 0 -U -w "$tmp/all.pcap"
# 10.7.46.0/24 travels with VLAN 46, priority 5.
spawn $a python3 "$here/record_traffic.py" vlan veth-c tag-c 46
spawn $b python3 "$here/record_traffic.py" vlan veth-s tag-s 46
sleep 1
client ip addr add 10.7.46.1/24 dev tag-c
server ip addr add 10.7.46.2/24 dev tag-s
head -c 225000 /dev/urandom | base64 >"$tmp/page.txt"
head -c 60000 "$tmp/page.txt" >"$tmp/half.txt"
head -c 300 "$tmp/page.txt" >"$tmp/short.txt"
spawn $b python3 -m http.server --bind 0.0.0.0 --directory "$tmp" 8080
spawn $b python3 -m http.server --bind :: --directory "$tmp" 8082
spawn $b python3 "$here/record_traffic.py" serve
sleep 1
client python3 "$here/record_traffic.py" client
sleep 1
for pid in $pids; do kill "$pid"; done
wait || true
pids=
editcap -F pcapng "$tmp/all.pcap" "$out"
ls -l "$out"

#!/bin/bash
# six.sh: IPv6 in the world: on the links of web, of the client client1 and of the exits n3 and n5; source it after circuits.sh.
#
#   client1 == n1 -- n2 -- n3 or n5, exits with IPv6, or n4, one without -- web

WEB=2001:db8:80::2 EXIT=2001:db8:3::2 EXIT5=2001:db8:5::2
INNER=fd49:5070:7269:7600::/96 # what exits assign
web=$(world_ip web)

# six A B PREFIX: addresses ::1 of router A and ::2 of host B on their link, and B's default route.
six() {
	ns_ip "$1" addr add "$3::1/64" dev "to-$2" nodad && ns_ip "$2" addr add "$3::2/64" dev "to-$1" nodad &&
		ns_ip "$2" route add default via "$3::1"
}
# beside ROUTER NUMBER: a link of that router with rb, behind which is all the rest.
beside() {
	ns_ip "$1" addr add "2001:db8:b$2::1/64" dev to-rb nodad && ns_ip rb addr add "2001:db8:b$2::2/64" dev "to-$1" nodad &&
		ns_ip "$1" route add default via "2001:db8:b$2::2"
}
six_links() {
	six rb n3 2001:db8:3 && six rb web 2001:db8:80 && six ra client1 2001:db8:a && six rc n5 2001:db8:5 &&
		beside ra 1 && beside rc 2 && ns_ip rb route add 2001:db8:a::/64 via 2001:db8:b1::1 &&
		ns_ip rb route add 2001:db8:5::/64 via 2001:db8:b2::1
}
# Pages, echoes, traffic and datagrams on web; pages on port 81, too.
six_services() {
	spawn web web6 python3 -I -S "$SOURCE/netns/services.py" --http "[$WEB]:80" --udp "[$WEB]:7" --log "$OUT/web6.requests"
	spawn web web81 python3 -I -S "$SOURCE/netns/services.py" --http "[$WEB]:81"
	TRAFFIC="[$WEB]:9000"
	spawn web traffic python3 -I -S "$SOURCE/netns/traffic.py" serve "$TRAFFIC" 600
	spawn web mtu python3 -I -S "$SOURCE/netns/mtu.py" serve "[$WEB]:9001"
	wait_for 30 has_line "$OUT/web6.log" 'services: ready*' && wait_for 30 has_line "$OUT/web81.log" 'services: ready*' &&
		wait_for 30 has_line "$OUT/traffic.log" 'traffic: ready' && wait_for 30 has_line "$OUT/mtu.log" 'mtu: ready'
}

# six_relays [LINES…]: directory and relays; LINES are for n3.
six_relays() {
	world_directory_conf
	world_relay_conf n1
	world_relay_conf n2
	world_relay_conf n3 "exit = true" "exit6 = true" "dns = $web" "$@"
	world_relay_conf n4 "exit = true" "dns = $web"
	world_relay_conf n5 "exit = true" "exit6 = true" "dns = $web"
	world_daemons
}
from_web() { in_hold "$1" curl -s -m 10 "http://[$WEB]/ip" | cut -d' ' -f1; } # TAG
inner() { in_hold "$1" ip -o -6 addr show dev ippriv0 | awk '{sub("/.*", "", $4); print $4}'; } # TAG

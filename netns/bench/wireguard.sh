#!/bin/bash
# wireguard.sh: three WireGuard tunnels, one in the other, the nested form of what is called multihop: client to A, through it to B,
# through that to C, each in a namespace of its own as our layers are. No tunnels between the relays. Every relay translates addresses.

# wireguard_key NAME: makes it; wireguard_public NAME: its public half.
wireguard_key() { (umask 077 && wg genkey >"$SCRATCH/wg-$1" && wg pubkey <"$SCRATCH/wg-$1" >"$SCRATCH/wg-$1.pub"); }

wireguard_up() {
	local name number=1
	for name in 1 2 3 A B C; do
		wireguard_key $name
	done
	ns_add w1 w2 w3
	for name in $RELAYS; do
		wireguard_relay $name $number
		number=$((number + 1))
	done
	wireguard_layer 1 wS A 1440
	wireguard_layer 2 w1 B 1380
	wireguard_layer 3 w2 C 1320
}

wireguard_relay() { # RELAY NUMBER
	ns_ip "w$1" link add wg0 type wireguard
	ns_ip "w$1" addr add "172.3$2.0.1/24" dev wg0
	ns_exec "w$1" wg set wg0 private-key "$SCRATCH/wg-$1" listen-port 51820 \
		peer "$(cat "$SCRATCH/wg-$2.pub")" allowed-ips "172.3$2.0.2/32"
	ns_ip "w$1" link set wg0 up mtu 1440
	ns_exec "w$1" nft -f - <<-END
		table ip nat {
			chain post {
				type nat hook postrouting priority 100;
				ip saddr 172.3$2.0.0/24 oifname != "wg0" masquerade
			}
		}
	END
}

wireguard_layer() { # NUMBER BORN_IN RELAY MTU
	ns_ip "$2" link add "wg$1" type wireguard
	ns_exec "$2" wg set "wg$1" private-key "$SCRATCH/wg-$1" peer "$(cat "$SCRATCH/wg-$3.pub")" \
		endpoint "${address[$3]}:51820" allowed-ips 0.0.0.0/0
	ns_ip "$2" link set "wg$1" netns "$PREFIX-w$1"
	ns_ip "w$1" addr add "172.3$1.0.2/24" dev "wg$1"
	ns_ip "w$1" link set "wg$1" up mtu "$4"
	ns_ip "w$1" route add default dev "wg$1"
}

#!/bin/bash
# fig_page.sh: a web page of 100 objects on five hosts over parallel connections: time and bytes on the links (the report's figures 8, 9)
# Bytes by kind as the median desktop page's of the HTTP Archive's Web Almanac 2024 (images 1054 KB, scripts 613, fonts 131,
# style sheets 78, HTML 18); within a kind, sizes grow geometrically from 1 to 16.
. "$SOURCE/netns/bench/fig_overhead.sh"

PAGE_HOSTS=5

# page_make: the objects in OUT/page, and curl's list of them.
page_make() {
	mkdir -p "$OUT/page"
	awk -v dir="$OUT/page" -v hosts=$PAGE_HOSTS '
		function kind(name, count, bytes,  i, sum, n) {
			for (i = 0; i < count; i++) sum += 16 ^ (i / count)
			for (i = 0; i < count; i++) {
				n = int(bytes * 16 ^ (i / count) / sum)
				printf "%s %d\n", name i, n
				printf "url = http://203.0.113.%d/%s%d\noutput = /dev/null\n", 33 + all++ % hosts, name, i >(dir "/list")
			}
		}
		BEGIN { kind("image", 40, 1054000); kind("script", 36, 613000); kind("style", 13, 78000); kind("font", 10, 131000)
			print "index 18000" }' | while read -r name size; do
		truncate -s "$size" "$OUT/page/$name"
	done
}

# page_server SYSTEM: nginx on D, on that many addresses more.
page_server() {
	local x=${letter[$1]} n
	for n in $(seq $PAGE_HOSTS); do
		ns_ip "${x}D" addr add "203.0.113.$((32 + n))/32" dev lo
	done
	ns_ip "${x}C" route add 203.0.113.32/28 via "${address[D]}"
	[ "$x" != c ] || ns_ip cS route add 203.0.113.32/28 dev tun0
	cat >"$OUT/nginx-$x.conf" <<-END
		daemon off; master_process off; pid $OUT/nginx-$x.pid; error_log $OUT/nginx-$x.log;
		events { worker_connections 512; }
		http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000;
			client_body_temp_path $OUT/nginx; proxy_temp_path $OUT/nginx; fastcgi_temp_path $OUT/nginx;
			uwsgi_temp_path $OUT/nginx; scgi_temp_path $OUT/nginx;
			server { $(for n in $(seq $PAGE_HOSTS); do echo "listen 203.0.113.$((32 + n)):80;"; done) root $OUT/page; } }
	END
	spawn "${x}D" "nginx-out-$x" nginx -c "$OUT/nginx-$x.conf"
}

# page_load SYSTEM: the HTML, then the rest with up to six connections a host; {"seconds": …, "objects": …, "payload": …}.
page_load() {
	local proxy=()
	[[ $1 != tor* ]] || proxy=(--socks5 127.0.0.1:9050)
	# shellcheck disable=SC2016
	through "$1" bash -c '
		list=$1; shift
		start=${EPOCHREALTIME/[.,]/}
		# Parallel, it shows its progress in spite of -s.
		{ curl -sS "$@" -o /dev/null http://203.0.113.33/index &&
			curl -sS "$@" -Z --parallel-immediate --parallel-max 30 -K "$list" -w "%{size_download}\n" >"$list.out"
		} 2>"$list.err" || { tail -n 1 "$list.err"; exit 1; }
		echo "{\"seconds\": $(((${EPOCHREALTIME/[.,]/} - start) / 1000))e-3, $(awk "
			{ n++; sum += \$1 } END { printf \"\\\"objects\\\": %d, \\\"bytes\\\": %d\", n + 1, sum + 18000 }" "$list.out")}"' \
		page "$OUT/page/list" "${proxy[@]}" 2>&1
}

page_all() {
	local repeat wait system before said
	for repeat in $(repeats 3); do
		for wait in $(quick "10" "0 10 25"); do
			for system in $systems; do
				delay "$system" "$wait"
				[ "$repeat$wait" != "1$(quick 10 0)" ] || page_load "$system" >/dev/null
				before=$(bytes_on "$system")
				said=$(page_load "$system")
				sleep 0.5
				result "$system" "\"wait\": $wait, \"repeat\": $repeat, \"before\": {$before}, \"after\": {$(bytes_on "$system")}" "$said"
			done
		done
	done
}

if [ "$BENCH" = page ]; then
	systems=$(chosen direct ippriv tor wireguard)
	# shellcheck disable=SC2086
	systems_up $systems || exit 1
	mkdir -p "$OUT/nginx"
	page_make
	for system in $systems; do
		page_server "$system"
		cut_early "$system"
	done
	sleep 2
	runs_all=$(($(wc -w <<<"$systems") * $(quick 1 3) * $(repeats 3 | wc -l)))
	page_all
fi

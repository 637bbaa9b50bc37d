# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# What xenpv top and xenpv metrics say of guests that do a known amount of work.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

# get PATH [METHOD]: over HTTP, as systemd hands a connection over.
get() {
	printf '%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n' "${2:-GET}" "$1" | xenpv metrics --http
}

# A reader of the format that is not ours. Sums of the samples of a name, of a device if one is named.
cat >read.py <<'END'
import sys
try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    sys.exit("python3-prometheus-client is missing")
families = list(text_string_to_metric_families(sys.stdin.read()))
if len(sys.argv) > 1:
    samples = [s for f in families for s in f.samples if s.name == sys.argv[1]
               and sys.argv[2:] in ([], [s.labels.get("device")])]
    print(int(sum(s.value for s in samples)))
else:
    print(len(families))
END

# metric NAME [DEVICE]
metric() {
	xenpv metrics | /usr/bin/python3 read.py "$@"
}

ok "xenpvd starts" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
like "top without a guest" "$(xenpv top -n 1 -d 0.1)" 'no guest has a device'
is "metrics without a guest" "$(metric xenpv_requests_total)" 0
ok "a guest" guest_start g
truncate -s 32M scsi.img blk.img
ok "a PVSCSI disk" xenpv scsi-attach g scsi.img 0:0:0:0
ok "a block disk" xenpv block-attach g blk.img,raw,xvdf,rw

xenpv top --json -n 1 -d 3 >top.json &
top=$!
sleep 0.5
like "work on the one" "$(guest_do g 'verify 0:0:0:0 4M bs=64k')" 'no difference'
like "work on the other" "$(guest_do g 'verify xvdf 8M bs=64k')" 'no difference'
wait $top
ok "top is JSON" jq -e '.guests[0].name == "g" and (.guests[0].devices | length) == 2' top.json
# Bytes as often as seconds, whatever the machine did meanwhile.
is "it tells bytes that were written" "$(jq -c '[.seconds as $s | .guests[0].devices | sort_by(.type)[] |
	.written_bytes * $s / 1048576 | round]' top.json)" '[4,8]'
ok "and how long requests took" jq -e '[.guests[0].devices[] |
	select(.median_us > 0 and .p99_us >= .median_us)] | length == 2' top.json
table=$(xenpv top -n 2 -d 0.1)
is "as a table, twice" "$(grep -c '^Guest' <<<"$table")" 2
like "which has the disk" "$table" 'g +1 +xvdf .* connected'

like "metrics are what others can read" "$(xenpv metrics | /usr/bin/python3 read.py 2>&1)" '^2[0-9]$'
is "metrics: bytes written" "$(metric xenpv_written_bytes_total xvdf)" $((8 << 20))
is "metrics: bytes read" "$(metric xenpv_read_bytes_total xvdf)" $((8 << 20))
is "metrics: as many times as answers" "$(metric xenpv_request_seconds_count xvdf)" "$(metric xenpv_responses_total xvdf)"
before=$(metric xenpv_errors_total scsi/0)
guest_do g 'cdb 0:0:0:0 ff00000000000000000000' >/dev/null
is "metrics: a command that is refused is an error" "$(metric xenpv_errors_total scsi/0)" $((before + 1))
is "metrics: connected" "$(metric xenpv_connected)" 2

reply=$(get /metrics)
like "HTTP: it is there" "$reply" '^HTTP/1\.1 200 OK'
is "HTTP: its length" "$(sed '1,/^\r$/d' <<<"$reply" | wc -c)" "$(sed -n 's/^Content-Length: \([0-9]*\)\r$/\1/p' <<<"$reply")"
like "HTTP: nothing else is" "$(get /)" '^HTTP/1\.1 404 '
like "HTTP: nor is it changed" "$(get /metrics POST)" '^HTTP/1\.1 405 '
like "HTTP: what is no request" "$(printf 'hello\n' | xenpv metrics --http)" '^HTTP/1\.1 400 '
like "HTTP: half a request" "$(printf 'GET /metrics HTTP/1.1\r\n' | xenpv metrics --http)" '^HTTP/1\.1 400 '
like "HTTP: an endless request" "$(yes 'GET /metrics HTTP/1.1' | head -c 1000000 | xenpv metrics --http)" '^HTTP/1\.1 400 '
for bad in '-d 0' '-d x' '-n 0' '-n 1x' '-d 1e9'; do
	# shellcheck disable=SC2086 # two words
	like "top $bad" "$(xenpv top $bad 2>&1)" '^xenpv: --(delay|count) .*: a number from [^ ]+ to [^ ]+$'
done
ok "xenpvd stops" daemon_stop
like "top without xenpvd" "$(xenpv top -n 1 2>&1)" '^xenpv: .*xenpvd'
like "metrics without xenpvd" "$(xenpv metrics 2>&1)" '^xenpv: .*xenpvd'
like "HTTP without xenpvd" "$(get /metrics)" '^HTTP/1\.1 503 '
tap_end

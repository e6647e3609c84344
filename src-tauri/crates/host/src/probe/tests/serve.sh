# Runs a server for a test and ends it. Runs beside the test; the pipe closes however the test ends, by its own will, by a
# panic, or by SIGKILL.
# In: LDP_ROOT (the server's folder), LDP_SIGNAL (what ends it), and its command line.
# shellcheck shell=sh
trap : INT TERM HUP
setsid "$@" >"$LDP_ROOT/log" 2>&1 </dev/null &
server=$!
while read -r _; do :; done
kill -s "$LDP_SIGNAL" $server 2>/dev/null
tries=0
while kill -0 $server 2>/dev/null && [ $tries -lt 100 ]; do
    sleep 0.05
    tries=$((tries + 1))
done
# What it started by itself and left behind has the folder in its environment.
for process in /proc/[0-9]*; do
    [ "${process#/proc/}" = $$ ] && continue
    if tr '\0' '\n' <"$process/environ" 2>/dev/null | grep -qxF "LDP_ROOT=$LDP_ROOT"; then
        kill -9 "${process#/proc/}" 2>/dev/null
    fi
done
wait $server 2>/dev/null
rm -rf "$LDP_ROOT"

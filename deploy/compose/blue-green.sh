#!/bin/sh
# Replaces all replicas of a server by as many with the image and the configuration of now, without a failed call:
#
#   ./blue-green.sh omnipotent-mcp
#
# The new colour is started beside the old one and gets no calls until each of its replicas has answered one. Then
# all calls go to it but those of sessions that the old colour has; these have DRAIN seconds (300 when unset) to end,
# or until none was used for a minute. A session that is left is unknown to the new colour (404), so that its client
# opens another. What fails before the old colour is removed is taken back.
set -eu

usage() {
    echo "usage: ./blue-green.sh omnipotent-mcp|a2a-unified-mcp, with READY and DRAIN in whole seconds" >&2
    exit 64
}

[ $# -eq 1 ] || usage
service=$1
case $service in
omnipotent-mcp) variable=OMNIPOTENT_COLOUR ;;
a2a-unified-mcp) variable=A2A_COLOUR ;;
*) usage ;;
esac

# Seconds that new replicas have to become ready, and old sessions to end.
ready=${READY:-60}
drain=${DRAIN:-300}
for seconds in "$ready" "$drain"; do
    case $seconds in
    *[!0-9]* | 0?*) usage ;;
    esac
done
# Seconds for which new replicas may look unwell to the proxy: it, or the engine, may have failed to answer.
doubt=3
# Seconds that calls in progress have when nothing else is sent to their replica.
grace=10
# Milliseconds: how long the proxy keeps a session that is not used, and how long it may be idle and not be waited for.
kept=1800000
idle=60000
# As in ../haproxy/haproxy.cfg.
places="1 2 3 4 5 6 7 8"

say() { echo "blue-green: $*"; }

fail() {
    say "$*" >&2
    exit 1
}

compose() {
    if docker compose version >/dev/null 2>&1; then
        docker compose -f compose.scaled.yml "$@"
    else
        docker-compose -f compose.scaled.yml "$@"
    fi
}

# Asks the proxy's runtime API.
proxy() {
    docker exec proxy-production bash -c \
        'exec 3<>/dev/tcp/127.0.0.1/9999; printf "%s\n" "$0" >&3; cat <&3' "$1"
}

# Puts all places of one colour into one state, and those of another, if it is named, into another, at once. `drain`
# is a place that is looked after but gets no calls except of its sessions; `maint` one that gets none.
put() {
    commands="" colour_put=$1 state_put=$2
    while :; do
        for place in $places; do
            commands="$commands;set server $service/$colour_put$place state $state_put"
        done
        [ $# -ge 4 ] || break
        shift 2
        colour_put=$1 state_put=$2
    done
    answer=$(proxy "${commands#;}") || fail "the proxy does not answer"
    # It answers nothing when all is well.
    [ -z "$answer" ] || fail "the proxy says: $answer"
}

# The containers of a colour, those that do not run too.
containers() {
    docker ps --all --quiet --filter "label=com.docker.compose.service=$service" \
        --filter "label=com.docker.compose.oneoff=False" --filter "label=colour=$1"
}

count() { containers "$1" | wc -l; }

# How many replicas of a colour the proxy sends calls to, or would if the colour were in force; with a second
# argument, only those of which the last check went well and no other is in flight.
found() {
    states=$(proxy "show servers state $service") || return 1
    echo "$states" | awk -v colour="$1" -v checked="${2:-}" \
        '$4 ~ "^" colour "[0-9]+$" && $5 != "-" && $6 == 2 && (!checked || $12 == 3) { n++ } END { print n + 0 }'
}

# How many requests the replicas of a colour have in progress.
in_progress() {
    statistics=$(proxy "show stat") || return 1
    echo "$statistics" | awk -F , -v service="$service" -v colour="$1" \
        '$1 == service && $2 ~ "^" colour "[0-9]+$" { n += $5 } END { print n + 0 }'
}

# How many sessions of a colour were used lately.
sessions() {
    table=$(proxy "show table $service") || return 1
    echo "$table" | awk -v colour="$1" -v least="$((kept - idle))" '
        $NF ~ "^server_key=" colour "[0-9]+$" {
            for (i = 1; i < NF; i++)
                if (split($i, field, "=") == 2 && field[1] == "exp" && field[2] + 0 > least) n++
        }
        END { print n + 0 }'
}

# Whether a container serves: a client in it opens a session and asks the server how it is. How busy or full the
# machine is says nothing about it.
serves() {
    docker exec "$1" "$service" health --ready >/dev/null 2>&1 || return 1
    answer=$(printf '%s\n' \
        '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"blue-green","version":"1"}}}' \
        '{"jsonrpc":"2.0","method":"notifications/initialized"}' \
        '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"health_check","arguments":{}}}' |
        docker exec -i "$1" "$service" attach 2>/dev/null) || return 1
    checks=$(printf '%s\n' "$answer" | grep -Eo '"name":"[a-z_]+","status":"[a-z_]+"') || return 1
    ! printf '%s\n' "$checks" | grep -Eqv '"name":"(cpu|memory|disk)"|"status":"ok"'
}

# Waits until all new replicas serve; one that ended, or was started again, never will.
await_new() {
    deadline=$(($(date +%s) + ready))
    for container in $(containers "$new"); do
        until serves "$container"; do
            state=$(docker inspect --format '{{.State.Status}} {{.RestartCount}}' "$container")
            [ "$state" = "running 0" ] || fail "a new replica ended ($state)"
            [ "$(date +%s)" -lt "$deadline" ] || fail "a new replica does not serve within $ready s"
            sleep 0.2
        done
    done
    until [ "$(found "$new" checked || echo 0)" -eq "$replicas" ]; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "the proxy does not find all new replicas"
        sleep 0.2
    done
}

# Waits until the sessions of the old colour have ended, while the new one stays well. It does not end in doubt.
drain_old() {
    now=$(date +%s)
    # A second more, because the one that has begun may be nearly over.
    deadline=$((now + drain + 1)) well=$now
    while :; do
        now=$(date +%s)
        if [ "$(found "$new" || echo 0)" -ge "$replicas" ] &&
            used=$(sessions "$old") && calls=$(in_progress "$old"); then
            well=$now
            [ "$((used + calls))" -gt 0 ] || return 0
            [ "$now" -lt "$deadline" ] || break
        elif [ "$((now - well))" -gt "$doubt" ]; then
            fail "a new replica, or the proxy, does not answer any more"
        fi
        sleep 0.5
    done
    say "$used sessions and $calls calls of $old were left after $drain s"
}

# Removes the replicas of a colour that gets no calls any more, once those in progress have ended. Its places stay
# closed: for a while the proxy believes that the containers are there.
remove() {
    deadline=$(($(date +%s) + grace))
    while [ "$(date +%s)" -lt "$deadline" ] && [ "$(in_progress "$1")" != 0 ]; do
        sleep 0.2
    done
    for container in $(containers "$1"); do
        docker stop "$container" >/dev/null
        docker rm "$container" >/dev/null
    done
}

# Keeps the colour in force where compose reads it: all of the file is there at any time, with its owner and mode.
keep() {
    touch .env &&
        cp -p .env .env.new &&
        awk -v other="^$variable=" -v line="$variable=$1" '$0 !~ other { print } END { print line }' .env >.env.new &&
        mv .env.new .env
}

# Runs when the script ends before the old colour is removed.
take_back() {
    trap - EXIT
    trap '' HUP INT TERM
    set +e
    say "taking back: calls go to $old" >&2
    for container in $(containers "$new"); do
        docker logs --tail 5 "$container" >&2
    done
    # What is in force is kept first: the next run removes what is not.
    if keep "$old" && (put "$old" ready "$new" maint); then
        (remove "$new")
    else
        say "calls may still go to $new: both colours are left. The next run removes $new" >&2
    fi
    say "if an image was built for this, its name is still that of the new one: docker tag $service:before $service" >&2
    exit 1
}

cd "$(dirname "$0")"
exec 9<compose.scaled.yml
flock -n 9 || fail "it is running already"
old=blue new=green
if grep -qsx "$variable=green" .env; then
    old=green new=blue
fi
# What an interrupted run left: it is not in force.
if [ "$(count "$new")" -gt 0 ]; then
    put "$old" ready "$new" maint
    remove "$new"
fi
replicas=$(count "$old")
[ "$replicas" -gt 0 ] || fail "no $service of colour $old is there: start it first"

trap take_back EXIT
trap 'exit 1' HUP INT TERM
put "$new" drain
say "starting $replicas of $new beside $old"
(export "$variable=$new" && compose up -d --no-deps --no-recreate --scale "$service=$((2 * replicas))" "$service")
[ "$(count "$new")" -eq "$replicas" ] || fail "not all new replicas were started"
await_new
put "$new" ready "$old" drain
keep "$new"
say "calls go to $new, sessions of $old have $drain s"
drain_old
trap - EXIT
put "$old" maint
remove "$old"
say "$service is $new"

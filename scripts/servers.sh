# Sourced by scripts/test and others: starts or finds PostgreSQL and RabbitMQ, and exports where they are.

# Whether a server of the right kind answers: what it says to a greeting in its own protocol decides, so that an
# unrelated program on the port is not taken for it, and no client program is needed.
answers() {
    local host=$1 port=$2 greeting=$3 expected=$4 answer
    answer=$(timeout 5 bash -c '
        exec 3<>"/dev/tcp/$0/$1" && printf "$2" >&3 && head -c 1 <&3 | od -An -tx1' "$host" "$port" "$greeting" \
        2>/dev/null | tr -d ' ') && [[ -n $answer && $answer =~ ^($expected)$ ]]
}

# SSLRequest, answered with S or N.
postgres_answers() { answers "$1" "$2" '\0\0\0\x08\x04\xd2\x16\x2f' '53|4e'; }
# The protocol header of AMQP 0-9-1, answered with a method frame (connection.start).
rabbitmq_answers() { answers "$1" "$2" 'AMQP\0\0\x09\x01' '01'; }

# Puts host and port of a URL into `host` and `port`. A URL with the host in its query is a Unix socket: no port.
split_url() {
    local authority=${1#*://}
    authority=${authority%%[/?]*}
    authority=${authority##*@}
    host=${authority%%:*}
    port=$2
    [[ $authority == *:* ]] && port=${authority##*:}
    return 0
}

wait_until() {
    local what=$1 second
    shift
    for second in {1..90}; do
        "$@" && return
        sleep 1
    done
    fail "$what was started but did not answer within 90 s"
}

docker_runs() { command -v docker >/dev/null && docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; }

start_with_compose() {
    echo "starting $1 with Docker Compose (docker compose -f scripts/servers.yml down stops it)"
    docker compose --progress quiet -f scripts/servers.yml up --detach "$1"
}

# Databases and other files of tests are in memory where there is room: what is promised about a crash is tested by killing
# processes, and none of it by cutting the power.
need_folder() {
    if [[ -z ${TMPDIR:-} ]] && has_memory_for_files; then
        TMPDIR=$(mktemp -d --tmpdir=/dev/shm)
        export TMPDIR
        at_exit "rm -rf '$TMPDIR'"
        # Servers of tests run as other users, and have folders in it.
        chmod 1777 "$TMPDIR"
    fi
}

# Eight GiB for files, and as much for everything else.
has_memory_for_files() {
    local gib=1048576 room free
    room=$(df --output=avail -k /dev/shm 2>/dev/null | tail -1)
    free=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo 2>/dev/null)
    ((${room:-0} >= 8 * gib && ${free:-0} >= 16 * gib))
}

free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }

need_postgres() {
    if [[ -z ${QUITTANCE_TEST_POSTGRES_URL:-} ]]; then
        start_postgres
        return
    fi
    local host port
    split_url "$QUITTANCE_TEST_POSTGRES_URL" 5432
    [[ -z $host ]] || postgres_answers "$host" "$port" ||
        fail "QUITTANCE_TEST_POSTGRES_URL is set, but no PostgreSQL answers at $host:$port"
}

# A server for this run alone. It writes nothing through to a disk, and ends with the script.
start_postgres() {
    need_postgres_programs
    need_node
    local folder port programs as_user=()
    folder=$(mktemp -d)
    port=$(free_port)
    programs=${QUITTANCE_TEST_POSTGRES_BIN:-$(postgres_programs)}
    if [[ $(id -u) -eq 0 ]]; then
        as_user=(setpriv --reuid=postgres --regid=postgres --clear-groups)
        chown postgres "$folder"
    fi
    (cd / && "${as_user[@]}" "$programs/initdb" -D "$folder/data" -U postgres -A trust --no-sync -E UTF8 --locale=C) >/dev/null
    (cd / && exec "${as_user[@]}" "$programs/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 \
        -c "unix_socket_directories=$folder" -c max_connections=200 -c fsync=off) >"$folder/log" 2>&1 &
    at_exit "kill -INT $! 2>/dev/null; wait $! 2>/dev/null; rm -rf '$folder'"
    wait_until "PostgreSQL ($folder/log)" postgres_answers 127.0.0.1 "$port"
    export QUITTANCE_TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$port/postgres"
}

need_rabbitmq() {
    local host port
    split_url "${QUITTANCE_TEST_AMQP_URL:-amqp://guest:guest@127.0.0.1:5672/%2f}" 5672
    if ! rabbitmq_answers "$host" "$port"; then
        [[ -z ${QUITTANCE_TEST_AMQP_URL:-} ]] ||
            fail "QUITTANCE_TEST_AMQP_URL is set, but no RabbitMQ answers at $host:$port"
        if docker_runs; then
            start_with_compose rabbitmq
        elif on_debian_as_root; then
            [[ -x /usr/sbin/rabbitmqctl ]] || install_debian_packages rabbitmq-server
            service rabbitmq-server start
        else
            fail "no RabbitMQ on 127.0.0.1:5672: start one, or set QUITTANCE_TEST_AMQP_URL, or install Docker"
        fi
        wait_until RabbitMQ rabbitmq_answers "$host" "$port"
    fi
    export QUITTANCE_TEST_AMQP_URL=${QUITTANCE_TEST_AMQP_URL:-amqp://guest:guest@127.0.0.1:5672/%2f}
}

# Addresses without the password, for the log.
without_password() { sed -E 's#(://[^:/@]+):[^@/]*@#\1:***@#' <<<"$1"; }

# Some tests start servers of their own, which they kill and starve. The fixtures look for the programs where these say,
# else where Debian has them.
need_server_programs() {
    need_postgres_programs
    if [[ -z ${QUITTANCE_TEST_RABBITMQ_BIN:-} ]]; then
        if ! has_rabbitmq_programs && on_debian_as_root; then install_debian_packages rabbitmq-server; fi
        has_rabbitmq_programs || fail "rabbitmq-server is needed, for tests that break a server of their own:" \
            "install RabbitMQ, or set QUITTANCE_TEST_RABBITMQ_BIN to the folder of its programs"
    fi
    if [[ -z ${QUITTANCE_TEST_PGBOUNCER:-} ]]; then
        if ! has_pgbouncer && on_debian_as_root; then install_debian_packages pgbouncer; fi
        has_pgbouncer || fail "pgbouncer is needed, for tests with a pooler before PostgreSQL:" \
            "install PgBouncer, or set QUITTANCE_TEST_PGBOUNCER to the program"
    fi
    command -v epmd >/dev/null || fail "Erlang's epmd, which comes with RabbitMQ, must be on the path"
    # They refuse to run as root.
    [[ $(id -u) -ne 0 ]] || { id postgres && id rabbitmq && command -v setpriv; } >/dev/null 2>&1 ||
        fail "as root, the users postgres and rabbitmq and setpriv (util-linux) are needed; or run the tests as a user"
}

need_postgres_programs() {
    [[ -z ${QUITTANCE_TEST_POSTGRES_BIN:-} ]] || return 0
    if [[ -z $(postgres_programs) ]] && on_debian_as_root; then install_debian_packages postgresql; fi
    [[ -n $(postgres_programs) ]] || fail "initdb and postgres are needed, for a server of the tests' own:" \
        "install PostgreSQL's server, or set QUITTANCE_TEST_POSTGRES_BIN to the folder of its programs"
}

# The folder of PostgreSQL's programs: what is on the path, else Debian's newest.
postgres_programs() {
    local initdb
    initdb=$(command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -1 || true)
    [[ -z $initdb ]] || dirname "$initdb"
}

has_pgbouncer() { [[ -x /usr/sbin/pgbouncer ]] || command -v pgbouncer >/dev/null; }
has_rabbitmq_programs() { [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]] || command -v rabbitmq-server >/dev/null; }

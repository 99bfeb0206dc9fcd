# Sourced by scripts/test: finds or starts PostgreSQL and RabbitMQ, and exports where they are.

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

# Whether the URL lets us in. Without psql only the protocol was looked at, and the tests will tell.
postgres_lets_in() { ! command -v psql >/dev/null || psql "$1" -qtAc 'select 1' >/dev/null 2>&1; }

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

# The role that is made where the server's own configuration lets nobody in without a password.
own_role=quittance_test
own_url="postgres://$own_role:$own_role@127.0.0.1:5432/$own_role"
default_postgres=postgres://postgres@127.0.0.1:5432/test

as_postgres() { (cd / && su postgres -c "psql -qtAX -v ON_ERROR_STOP=1 -c \"$1\""); }

make_own_role() {
    echo "making the role and database $own_role"
    as_postgres "select 1 from pg_roles where rolname = '$own_role'" | grep -q 1 ||
        as_postgres "create role $own_role login createdb password '$own_role'"
    as_postgres "select 1 from pg_database where datname = '$own_role'" | grep -q 1 ||
        as_postgres "create database $own_role owner $own_role"
}

need_postgres() {
    if [[ -n ${QUITTANCE_TEST_POSTGRES_URL:-} ]]; then
        local host port
        split_url "$QUITTANCE_TEST_POSTGRES_URL" 5432
        [[ -z $host ]] || postgres_answers "$host" "$port" ||
            fail "QUITTANCE_TEST_POSTGRES_URL is set, but no PostgreSQL answers at $host:$port"
    elif ! postgres_answers 127.0.0.1 5432; then
        if docker_runs; then
            start_with_compose postgres
        elif on_debian_as_root; then
            [[ -x /usr/bin/pg_ctlcluster ]] || install_debian_packages postgresql
            service postgresql start
        else
            fail "no PostgreSQL on 127.0.0.1:5432: start one, or set QUITTANCE_TEST_POSTGRES_URL, or install Docker"
        fi
        wait_until PostgreSQL postgres_answers 127.0.0.1 5432
    fi
    choose_postgres_role
}

choose_postgres_role() {
    local url
    for url in ${QUITTANCE_TEST_POSTGRES_URL:-$default_postgres "$own_url"}; do
        postgres_lets_in "$url" && export QUITTANCE_TEST_POSTGRES_URL=$url && return
    done
    [[ -z ${QUITTANCE_TEST_POSTGRES_URL:-} ]] || fail "PostgreSQL does not let QUITTANCE_TEST_POSTGRES_URL in"
    on_debian_as_root && id postgres >/dev/null 2>&1 ||
        fail "PostgreSQL on 127.0.0.1:5432 lets neither $default_postgres nor $own_url in:" \
            "set QUITTANCE_TEST_POSTGRES_URL to a role that may create databases"
    make_own_role
    postgres_lets_in "$own_url" || fail "PostgreSQL does not let the new role $own_role in over TCP (see pg_hba.conf)"
    export QUITTANCE_TEST_POSTGRES_URL=$own_url
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
    if [[ -z ${QUITTANCE_TEST_POSTGRES_BIN:-} ]]; then
        if ! has_postgres_programs && on_debian_as_root; then install_debian_packages postgresql; fi
        has_postgres_programs || fail "initdb and postgres are needed, for tests that break a server of their own:" \
            "install PostgreSQL's server, or set QUITTANCE_TEST_POSTGRES_BIN to the folder of its programs"
    fi
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

has_postgres_programs() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }
has_pgbouncer() { [[ -x /usr/sbin/pgbouncer ]] || command -v pgbouncer >/dev/null; }
has_rabbitmq_programs() { [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]] || command -v rabbitmq-server >/dev/null; }

# Sourced by scripts/check and scripts/test: how they speak, and the tools that they fetch into the user's cache, where every
# clone finds them. Nothing is installed elsewhere, except Debian's packages when a server or Node.js is missing and we are
# root.

tools="${QUITTANCE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/quittance/tools}"

step() { printf '\n== %s, after %d s\n' "$*" "$SECONDS"; }
fail() {
    printf '\nFAILED: %s\n' "$*" >&2
    exit 1
}

# What is to be done when the script ends, however it does; the last first.
at_exit() {
    undo="$1; ${undo:-}"
    trap 'eval "$undo"' EXIT
}

on_debian_as_root() { [[ $(id -u) -eq 0 && -f /etc/debian_version ]] && command -v apt-get >/dev/null; }

install_debian_packages() {
    echo "installing Debian's packages: $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# The contracts' compiler and the OpenAPI linter run on Node.js; Anvil comes from npm too.
need_node() {
    if ! command -v npm >/dev/null; then
        on_debian_as_root || fail "Node.js 18 or newer with npm is needed: https://nodejs.org/en/download"
        install_debian_packages nodejs npm
    fi
    (($(node -p 'process.versions.node.split(".")[0]') >= 18)) ||
        fail "Node.js 18 or newer is needed, this is $(node --version)"
}

# Puts a package of npm into the cache, in just this version; no script of its own is run. There is no lock
# file here, so it should be one without dependencies.
need_npm_package() {
    local name=$1 version=$2
    need_node
    grep -qs "\"version\": \"$version\"" "$tools/node_modules/$name/package.json" && return
    echo "fetching $name $version from npm"
    mkdir -p "$tools"
    npm install --prefix "$tools" --ignore-scripts --no-audit --no-fund --loglevel=error "$name@$version" >/dev/null
}

# The package `@foundry-rs/anvil` only chooses among these, one for each platform with the binary inside.
need_anvil() {
    if [[ -z ${QUITTANCE_TEST_ANVIL:-} ]]; then
        local package
        case "$(uname -sm)" in
        'Linux x86_64') package=@foundry-rs/anvil-linux-amd64 ;;
        'Linux aarch64') package=@foundry-rs/anvil-linux-arm64 ;;
        'Darwin x86_64') package=@foundry-rs/anvil-darwin-amd64 ;;
        'Darwin arm64') package=@foundry-rs/anvil-darwin-arm64 ;;
        *) fail "npm has no Anvil for $(uname -sm): install Foundry and set QUITTANCE_TEST_ANVIL to its anvil" ;;
        esac
        need_npm_package "$package" 1.7.1
        export QUITTANCE_TEST_ANVIL="$tools/node_modules/$package/bin/anvil"
    fi
    "$QUITTANCE_TEST_ANVIL" --version >/dev/null || fail "Anvil ($QUITTANCE_TEST_ANVIL) cannot be run"
}

# The pages are tried in a real browser: CHROMIUM, else Debian's.
need_chromium() {
    if [[ -z ${CHROMIUM:-} ]]; then
        CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
    fi
    if [[ -z $CHROMIUM ]]; then
        on_debian_as_root || fail "Chromium is needed: install it, or set CHROMIUM to its path"
        install_debian_packages chromium
        CHROMIUM=/usr/bin/chromium
    fi
    export CHROMIUM
    "$CHROMIUM" --version 2>/dev/null | grep -q . || fail "Chromium ($CHROMIUM) cannot be run"
}

# The ready-made clients are run too.
need_curl_and_python() {
    command -v curl >/dev/null && command -v python3 >/dev/null && return
    on_debian_as_root || fail "curl and python3 are needed"
    install_debian_packages curl python3
}

# A Cargo subcommand, compiled once into the cache/bin.
need_cargo_tool() {
    local name=$1 version=$2
    export PATH="$tools/bin:$PATH"
    [[ $("$name" --version 2>/dev/null) == *"$version"* ]] && return
    echo "compiling $name $version (once, about two minutes)"
    cargo install --quiet --locked --root "$tools" --version "$version" "$name"
}

# An environment of Python's own with one package of PyPI in just this version.
python_environment() {
    local folder=$1 package=$2 version=$3
    [[ $("$folder/bin/pip" show "$package" 2>/dev/null) == *"Version: $version"* ]] && return
    need_curl_and_python
    echo "installing $package $version from PyPI"
    if ! python3 -m venv --clear "$folder" >/dev/null 2>&1; then
        on_debian_as_root || fail "python3 with its venv module is needed"
        install_debian_packages python3-venv
        python3 -m venv --clear "$folder"
    fi
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$package==$version"
}

# More packages in such an environment, under a name that says which were installed.
python_packages() {
    local folder=$1 name=$2 wanted="${*:3}"
    [[ $(cat "$folder/$name" 2>/dev/null) == "$wanted" ]] && return
    echo "installing $wanted from PyPI"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "${@:3}"
    echo "$wanted" >"$folder/$name"
}

# A compiler and what Java clients need beside Jackson; they come from Debian, or are named in QUITTANCE_JAVA_LIBRARIES.
need_java() {
    java_libraries=${QUITTANCE_JAVA_LIBRARIES:-}
    if [[ -z $java_libraries ]]; then
        local jars=(jakarta-annotation-api httpmime httpclient httpcore)
        jars=("${jars[@]/#//usr/share/java/}")
        java_libraries=$(IFS=: && echo "${jars[*]/%/.jar}")
        if [[ ! -e /usr/share/java/httpmime.jar || ! -e /usr/share/java/jakarta-annotation-api.jar ]]; then
            on_debian_as_root || fail "jakarta.annotation-api 2 and Apache's httpmime 4 are needed (QUITTANCE_JAVA_LIBRARIES)"
            install_debian_packages libjakarta-annotation-api-java libhttpclient-java libhttpmime-java
        fi
    fi
    if ! command -v javac >/dev/null; then
        on_debian_as_root || fail "a JDK 17 or newer is needed"
        install_debian_packages default-jdk-headless
    fi
    javac -version
}

# Prometheus checks the alerts. Debian's package would start a service of its own: only its programs are taken, into the cache.
need_prometheus() {
    [[ -z ${QUITTANCE_TEST_PROMETHEUS_BIN:-} ]] || return 0
    local folder="$tools/prometheus" found
    found=$(command -v promtool || true)
    if [[ -z $found && ! -x $folder/usr/bin/promtool ]]; then
        on_debian_as_root || fail "promtool and prometheus are needed, for the alerts:" \
            "install Prometheus, or set QUITTANCE_TEST_PROMETHEUS_BIN to the folder of its programs"
        echo "fetching Debian's package prometheus"
        mkdir -p "$folder"
        apt-get update -qq
        (cd "$folder" && apt-get download -qq prometheus >/dev/null 2>&1 && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb)
    fi
    QUITTANCE_TEST_PROMETHEUS_BIN=$(dirname "${found:-$folder/usr/bin/promtool}")
    export QUITTANCE_TEST_PROMETHEUS_BIN
}

# The published libraries that verify webhooks.
need_webhook_libraries() {
    python_environment "$tools/standardwebhooks" standardwebhooks 1.1.0
    export QUITTANCE_TEST_WEBHOOKS_PYTHON="$tools/standardwebhooks/bin/python"
    # It has two dependencies, which npm chooses.
    need_npm_package standardwebhooks 1.1.1
    export QUITTANCE_TEST_WEBHOOKS_JAVASCRIPT="$tools/node_modules/standardwebhooks"
}

# A Stripe that somebody else has written, in an environment of its own.
need_localstripe() {
    local folder="$tools/localstripe"
    if [[ -z ${QUITTANCE_TEST_LOCALSTRIPE:-} ]]; then
        python_environment "$folder" localstripe 1.15.10
        export QUITTANCE_TEST_LOCALSTRIPE="$folder/bin/localstripe"
    fi
    "$QUITTANCE_TEST_LOCALSTRIPE" --help >/dev/null ||
        fail "localstripe ($QUITTANCE_TEST_LOCALSTRIPE) cannot be run"
}

# schemathesis, in an environment of its own.
need_schemathesis() {
    local version=4.32.0 folder="$tools/schemathesis"
    if [[ -z ${QUITTANCE_TEST_SCHEMATHESIS:-} ]]; then
        python_environment "$folder" schemathesis "$version"
        export QUITTANCE_TEST_SCHEMATHESIS="$folder/bin/schemathesis"
    fi
    "$QUITTANCE_TEST_SCHEMATHESIS" --version >/dev/null ||
        fail "schemathesis ($QUITTANCE_TEST_SCHEMATHESIS) cannot be run"
}

# Shared by tests/run, examples/run: installs what is missing, configures, builds. Sourced by bash scripts that have set `root`.
# shellcheck shell=bash

started=$SECONDS

# say <text>: a line of progress.
say()
{
    printf '== %3d s  %s\n' "$((SECONDS - started))" "$*"
}

die()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

have_header()
{
    local compiler
    compiler=$(command -v g++ || command -v c++) || return 1
    printf '#include <%s>\n' "$1" | "$compiler" -std=c++20 -E -x c++ - >/dev/null 2>&1
}

# have_package <Debian package>: asks for the thing, not for the package, so other distributions and /usr/local count.
have_package()
{
    case $1 in
        g++) command -v g++ >/dev/null && have_header coroutine ;;
        cmake | pkg-config | python3 | ethtool | tshark | valgrind) command -v "$1" >/dev/null ;;
        ninja-build) command -v ninja >/dev/null ;;
        iproute2) command -v ip >/dev/null ;;
        netcat-openbsd) command -v nc >/dev/null ;;
        liburing-dev) command -v pkg-config >/dev/null && pkg-config --exists 'liburing >= 2.3' ;;
        catch2) have_header catch2/catch.hpp || have_header catch2/catch_all.hpp ;;
        libbenchmark-dev) have_header benchmark/benchmark.h ;;
        libcli11-dev) have_header CLI/CLI.hpp ;;
        libssl-dev) have_header openssl/evp.h ;;
        nlohmann-json3-dev) have_header nlohmann/json.hpp ;;
        clang-19) command -v clang++-19 >/dev/null ;;
        libclang-rt-19-dev)
            command -v clang++-19 >/dev/null &&
                compgen -G "$(clang++-19 -print-resource-dir)/lib/*/libclang_rt.fuzzer*" >/dev/null
            ;;
        *) die "setup.sh does not know how to look for $1" ;;
    esac
}

# install_packages <package>...: installs what is missing; where it may not, prints the one line to type and exits.
install_packages()
{
    local missing=() package as_root=() log
    for package in "$@"; do
        have_package "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    if [ -n "${TCPCO_NO_INSTALL:-}" ]; then
        say "not installed, and TCPCO_NO_INSTALL is set: ${missing[*]}"
        return
    fi
    if ! command -v apt-get >/dev/null; then
        die "missing: ${missing[*]} (Debian's names; there is no apt-get here: install them with your system's tool)"
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        else
            echo "Some packages are missing. Type this once, then start me again:" >&2
            echo "sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
            exit 1
        fi
    fi
    say "installing ${missing[*]}"
    log=$(mktemp)
    # The debconf setting is for tshark, which asks.
    if ! { "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y \
            --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get failed; it was to install: ${missing[*]}"
    fi
    rm -f "$log"
    for package in "${missing[@]}"; do
        have_package "$package" || die "$package was installed, and what it is needed for is still not found"
    done
}

# As many compilers as there are processors, and as fit into memory at some 1.5 GB each.
compile_jobs()
{
    local processors memory
    processors=$(nproc)
    memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo)
    [ "${memory:-0}" -ge 1 ] || memory=1
    echo $((processors < memory ? processors : memory))
}

# configure <preset> [cmake arguments]: into $root/build/<preset>.
configure()
{
    # shellcheck disable=SC2154  # set by the script that sources this one
    local preset=$1 tree="$root/build/$1" generator=()
    shift
    if [ ! -e "$tree/CMakeCache.txt" ] && [ -z "${CMAKE_GENERATOR:-}" ] && command -v ninja >/dev/null; then
        generator=(-G Ninja)
    fi
    if ! mkdir -p "$tree" 2>/dev/null || [ ! -w "$tree" ]; then
        die "$tree cannot be written by $(id -un): copy the tree to a place of your own, or change its owner"
    fi
    if ! (cd "$root" && cmake --preset "$preset" "${generator[@]}" "$@") >"$tree/configure.log" 2>&1 </dev/null; then
        cat "$tree/configure.log" >&2
        die "cmake --preset $preset failed"
    fi
    grep -A4 -E '^CMake Warning|will be skipped' "$tree/configure.log" || true
}

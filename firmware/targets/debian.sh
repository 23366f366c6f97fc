# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Sourced by what needs a package of Debian's, source or binary: it comes from the mirror that apt already uses, through an
# apt configuration of its own, so neither the system's suites nor its lists are touched.
#
# The caller has `work`, a temporary folder of its own, and `say`, which sends a line to stderr. The functions are used in
# conditions too, where bash ignores -e: every step says itself what a failure does.

checked() { # checked SHA256 FILE
    local sum
    sum=$(if command -v sha256sum >/dev/null; then sha256sum "$2"; else shasum -a 256 "$2"; fi)
    [ "${sum%% *}" = "$1" ] || { say "$2: SHA-256 differs from $1"; return 1; }
}

# debian_get source|binary SUITE PACKAGE FILE SHA256: leaves $work/FILE, checked. Of a source package: the tarball.
debian_get() {
    local list verb mirror apt=(apt-get -qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o Acquire::Languages=none
        -o "APT::Sandbox::User=$(id -un)")
    case $1 in
        source) list=deb-src verb=(source --download-only --tar-only --only-source) ;;
        binary) list=deb verb=(download) ;;
        *) say "debian_get: no kind of package: $1"; return 1 ;;
    esac
    command -v apt-get >/dev/null || { say "there is no apt here for Debian's $1 package $3"; return 1; }
    # shellcheck disable=SC2016 # apt's variable, not the shell's
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sed -n 1p)
    [ -n "$mirror" ] || { say "apt has no Debian mirror configured"; return 1; }
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" || return 1
    # trusted: keyrings older than the suite cannot check its signature; the pinned SHA-256 below does.
    printf '%s [trusted=yes] %s %s main\n' "$list" "$mirror" "$2" > "$work/sources.list"
    (cd "$work" && "${apt[@]}" update && "${apt[@]}" "${verb[@]}" "$3") >&2 \
        || { say "suite $2 is not to be had from apt's mirror"; return 1; }
    [ -f "$work/$4" ] || { say "suite $2 no longer carries $4"; return 1; }
    checked "$5" "$work/$4"
}

#!/usr/bin/env bash
# Installs the Debian packages whose programs the tests and the benchmark start privately. This is the one list.
# As root where apt-get exists it installs what is missing; elsewhere it prints what is missing and goes on.
set -euo pipefail

declare -A program=(  # package → a program of it
  [baresip-core]=baresip
  [chromium]=chromium
  [kamailio]=kamailio
  [kannel]=bearerbox
  [kannel-extras]=/usr/lib/kannel/test/drive_smpp
  [mariadb-client-core]=my_print_defaults
  [mariadb-server-core]=mariadbd
  [openssl]=openssl
  [sip-tester]=sipp
  [swaks]=swaks
)

PATH=$PATH:/usr/sbin:/sbin
missing=()
for package in "${!program[@]}"; do
  command -v "${program[$package]}" >/dev/null || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need these Debian packages: ${missing[*]}" >&2
  exit 0
fi

# Only the programs are wanted: while we install, no package may start its service (Debian Policy §9.3.3.1).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"

#!/usr/bin/env bash
# Installs the named packages that are missing, or those of debian-packages.txt.
set -euo pipefail
cd "$(dirname "$0")"
missing=()
while read -r package; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else grep -vE '^(#|$)' debian-packages.txt; fi)
[ ${#missing[@]} -eq 0 ] && exit 0
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

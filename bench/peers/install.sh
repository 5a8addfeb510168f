#!/bin/sh
# Puts Jasmin into a virtual environment of its own: sh bench/peers/install.sh [DIRECTORY]
# RabbitMQ, Redis and Kannel are Debian's: apt-get install kannel rabbitmq-server redis-server, then stop and disable
# what that started; the comparison starts its own. Nothing else in this tree needs or runs this script.
set -eu
VENV=${1:-$HOME/.cache/smsgw/jasmin}
VERSION=0.11.0
${PYTHON:-python3} -m venv "$VENV"
# 0.11.1 answers no receipt at all (jookies/jasmin#1236): the release before it.
# Jasmin asks for pkg_resources at its start, which newer setuptools no longer have.
"$VENV/bin/pip" install --quiet "setuptools<81" wheel
"$VENV/bin/pip" install --quiet "jasmin==$VERSION"
# The description of AMQP that it reads is in its source package only.
"$VENV/bin/pip" download --quiet --no-deps --no-build-isolation --no-binary :all: -d "$VENV/source" "jasmin==$VERSION"
mkdir -p "$VENV/jasmin"
tar -xzf "$VENV/source/jasmin-$VERSION.tar.gz" -C "$VENV/source"
cp "$VENV/source/jasmin-$VERSION/misc/config/resource/amqp0-9-1.xml" "$VENV/jasmin/"
echo "Jasmin $VERSION is in $VENV"

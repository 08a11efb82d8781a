#!/bin/sh
# install.sh BUILD PREFIX: installs BUILD into PREFIX and uses what is there, both ways.
set -eu
here=$(dirname "$0")
build=$1 prefix=$2

rm -rf "$prefix" "$prefix.consumer"
cmake --install "$build" --prefix "$prefix" >/dev/null
# The prefix given now is not the one the build was configured with: .pc files are told so.
pc=$(find "$prefix" -name liblockstep.pc)
flags=$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --define-variable=prefix="$prefix" \
    --cflags --libs liblockstep)

mkdir "$prefix.consumer"
# shellcheck disable=SC2086 # the flags are words
cc -std=c11 "$here/consumer/consumer.c" $flags -o "$prefix.consumer/by-pkg-config"
"$prefix.consumer/by-pkg-config"

cmake -S "$here/consumer" -B "$prefix.consumer" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$prefix.consumer" >/dev/null
"$prefix.consumer/consumer"
for file in man/man1/lockstep.1 bash-completion/completions/lockstep \
    zsh/site-functions/_lockstep fish/vendor_completions.d/lockstep.fish; do
    test -s "$prefix/share/$file"
done
test -s "$prefix/lib/systemd/system/lockstep.service"
echo "3 passed, 0 failed"

#!/bin/sh
# Puts a plugin binary into Vault: registers it with its sha256 and version, then enables it, or upgrades the mount that
# is there. It can be run again: what is done already stays done.
#
#     PLUGIN_DIRECTORY=/etc/vault/plugins register.sh [binary [mount]]
#
# The binary is bin/vault-plugin-apisig of this repository by default, built where it is not there; the mount is apisig.
# It needs vault, logged in as an operator, and the binary has to be on each Vault node: run it there, PLUGIN_DIRECTORY
# being that node's plugin_directory. VERSION, where it is set, is what the binary must say that it is.
set -eu
name=vault-plugin-apisig
binary=${1:-$(dirname -- "$0")/../../bin/$name}
mount=${2:-apisig}

fail() { echo "register.sh: $*" >&2; exit 1; }

[ -d "${PLUGIN_DIRECTORY:?is to name the plugin_directory of Vault}" ] || fail "$PLUGIN_DIRECTORY is no directory"
if [ $# -eq 0 ] && [ ! -x "$binary" ]; then
	make -C "$(dirname -- "$0")/../.." build >&2
fi
version=$("$binary" -version) || fail "$binary does not say its version: is it $name?"
[ "${VERSION:-$version}" = "$version" ] || fail "$binary is $version, not $VERSION; nothing was registered"
sha256=$(sha256sum -- "$binary" 2>/dev/null || shasum -a 256 -- "$binary")
sha256=${sha256%% *}

# A file for each version, since a running version's file may not change: Vault checks its sha256 at every start.
command=$name-$version
if [ -e "$PLUGIN_DIRECTORY/$command" ]; then
	cmp -s -- "$binary" "$PLUGIN_DIRECTORY/$command" ||
		fail "another binary of $version is in $PLUGIN_DIRECTORY already; give this one a version of its own"
else
	cp -- "$binary" "$PLUGIN_DIRECTORY/$command.new"
	chmod 755 -- "$PLUGIN_DIRECTORY/$command.new"
	mv -- "$PLUGIN_DIRECTORY/$command.new" "$PLUGIN_DIRECTORY/$command"
fi
vault plugin register -sha256="$sha256" -version="$version" -command="$command" secret "$name"

if ! vault read "sys/mounts/$mount/tune" >/dev/null 2>&1; then
	vault secrets enable -path="$mount" -plugin-version="$version" "$name"
elif [ "$(vault read -field=type "sys/mounts/$mount")" != "$name" ]; then
	fail "$mount is a mount of something else"
else
	vault secrets tune -plugin-version="$version" "$mount"
	vault write sys/plugins/reload/backend mounts="$mount/"
fi

running=$(vault read -field=running_plugin_version "sys/mounts/$mount")
[ "$running" = "$version" ] || fail "$mount runs $running, not $version"
echo "$mount runs $name $version"

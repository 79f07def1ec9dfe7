#!/bin/sh
# Registers a plugin binary in Vault with its sha256 and version. Then it enables the engine, or upgrades the mount that
# exists. It is safe to run again.
#
#     PLUGIN_DIRECTORY=/etc/vault/plugins register.sh [binary [mount]]
#
# The default binary is bin/plugins/vault-plugin-apisig of this repository, which is built if it does not exist. The
# default mount is apisig. If VERSION is set, the script stops unless the binary has that version.
#
# It needs vault, logged in as an operator. Every Vault node needs the binary: run the script on each, with
# PLUGIN_DIRECTORY set to that node's plugin_directory.
set -eu
name=vault-plugin-apisig
binary=${1:-$(dirname -- "$0")/../../bin/plugins/$name}
mount=${2:-apisig}

fail() { echo "register.sh: $*" >&2; exit 1; }

[ -d "${PLUGIN_DIRECTORY:?must be the plugin_directory of Vault}" ] || fail "$PLUGIN_DIRECTORY is not a directory"
if [ $# -eq 0 ] && [ ! -x "$binary" ]; then
	make -C "$(dirname -- "$0")/../.." build >&2
fi
version=$("$binary" -version) || fail "$binary does not say its version: is it $name?"
[ "${VERSION:-$version}" = "$version" ] || fail "$binary is $version, not $VERSION; nothing was registered"
sha256=$(sha256sum -- "$binary" 2>/dev/null || shasum -a 256 -- "$binary")
sha256=${sha256%% *}

# Each version has a file of its own, because the file of a running version must not change: Vault checks its sha256 each
# time it starts the plugin.
command=$name-$version
if [ -e "$PLUGIN_DIRECTORY/$command" ]; then
	cmp -s -- "$binary" "$PLUGIN_DIRECTORY/$command" ||
		fail "another binary of $version is in $PLUGIN_DIRECTORY already; give this one a version of its own"
else
	cp -- "$binary" "$PLUGIN_DIRECTORY/$command.new"
	chmod 755 -- "$PLUGIN_DIRECTORY/$command.new"
	mv -- "$PLUGIN_DIRECTORY/$command.new" "$PLUGIN_DIRECTORY/$command"
fi
# The catalog is the root namespace's, also for a mount in another.
VAULT_NAMESPACE='' BAO_NAMESPACE='' vault plugin register -sha256="$sha256" -version="$version" -command="$command" \
	secret "$name"

mount_field() { vault read -format=table -field="$1" "sys/mounts/$mount"; }
if type=$(mount_field type 2>/dev/null); then
	[ "$type" = "$name" ] || fail "$mount is a mount of another engine, $type"
	vault secrets tune -plugin-version="$version" "$mount"
	vault write sys/plugins/reload/backend mounts="$mount/"
else
	refusal=$(mount_field type 2>&1) || true
	case $refusal in
	*"No secret engine mount at "*) vault secrets enable -path="$mount" -plugin-version="$version" "$name" ;;
	*) fail "$refusal" ;;
	esac
fi

running=$(mount_field running_plugin_version)
[ "$running" = "$version" ] || fail "$mount runs $running, not $version"
echo "$mount runs $name $version"

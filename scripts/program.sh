# Sourced by the other scripts whose names end in -bin.

fail() { echo "$(basename -- "$0"): $*" >&2; exit 1; }

# program NAME VARIABLE FOLDER MODULE PACKAGE [FLAG...] prints the path of a program: what the variable names, else the
# program on the PATH. If there is neither, it builds the package once, with these flags of go build, from the module that
# tools/FOLDER requires, and keeps it in the user's cache folder.
program() {
	name=$1 variable=$2 folder=$3 module=$4 package=$5
	shift 5

	eval "given=\${$variable:-}"
	if [ -n "$given" ]; then
		command -v -- "$given" || fail "$variable=$given is not a program"
		return
	fi
	if command -v "$name"; then
		return
	fi

	folder=$(cd -- "$(dirname -- "$0")/../tools/$folder" && pwd)
	version=$(cd -- "$folder" && GOWORK=off go list -m -f '{{.Version}}' "$module")
	cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/vault-plugin-apisig
	path=$cache/$name-$version-$(go env GOOS)-$(go env GOARCH)
	mkdir -p -- "$cache"

	# With flock, a second run waits for the first to build. Without it both build, and the last rename wins.
	if [ ! -x "$path" ] && command -v flock >/dev/null; then
		exec 9>"$cache/lock"
		flock 9
	fi
	if [ ! -x "$path" ]; then
		echo "$(basename -- "$0"): building $name $version into $cache, once; this takes some minutes" >&2
		unfinished=$(mktemp "$path.XXXXXX")
		trap 'rm -f -- "$unfinished"' EXIT
		trap 'exit 1' HUP INT TERM
		(cd -- "$folder" && GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' "$@" -o "$unfinished" "$package") >&2
		chmod 755 -- "$unfinished"
		mv -f -- "$unfinished" "$path"
	fi
	echo "$path"
}

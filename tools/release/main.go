// Command release builds a release of this repository into a folder, and checks the files of one. make release and make
// release-check run it.
//
// A build is reproducible: the same sources and the same version of Go give the same bytes, in any folder and at any
// time. Nothing that it writes has a time, a random id or a path of the machine.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
)

// plugin is the program that Vault runs as a secrets engine.
const plugin = "vault-plugin-apisig"

// programs are what a release has for each platform, by their folders below cmd/. Each has an image too.
var programs = []program{
	{plugin, "A HashiCorp Vault secrets engine for APIs that want signed headers or short-lived tokens"},
	{"apisig-proxy", "A reverse proxy for applications that cannot sign: Vault signs their calls"},
}

type program struct{ name, description string }

// platforms are those of the binaries. Images are for Linux only.
var platforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}

type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// The names of a release's files, beside those of programs.
const (
	sumsFile      = "SHA256SUMS"
	imageSumsFile = "SHA256SUMS.images"
	notesFile     = "RELEASE_NOTES.md"
)

func binaryFile(program, version string, on platform) string {
	return fmt.Sprintf("%s_%s_%s_%s", program, version, on.os, on.arch)
}

func sbomFile(program, version string, on platform) string {
	return binaryFile(program, version, on) + ".cdx.json"
}

func imageFile(program, version string) string {
	return fmt.Sprintf("%s_%s_oci.tar", program, version)
}

// A version is semantic, with a v, as Vault registers it.
var semantic = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	dist := flags.String("dist", "", "the `folder` of the release")
	version := flags.String("version", "", "the release's `version`, such as v1.2.3")
	source := flags.String("source", "", "the `folder` of the sources")
	ldflags := flags.String("ldflags", "", "`flags` of the linker")
	if len(args) == 0 {
		return errors.New("usage: release build|check [flags]")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if !semantic.MatchString(*version) {
		return fmt.Errorf("%q is no version: it must look like v1.2.3", *version)
	}
	switch args[0] {
	case "build":
		return build(*source, *dist, *version, *ldflags)
	case "check":
		return check(*dist, *version)
	}
	return fmt.Errorf("%s is neither build nor check", args[0])
}

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/stretchr/testify/require"
)

func TestNotesAreTheSectionOfTheVersion(t *testing.T) {
	t.Parallel()
	const changelog = `# Changelog

## 1.10.0 — 2026-02-01

- later

## 1.1.0 — 2026-01-01

- one

### Changed

- two

## 1.0.0

- first
`
	text, err := notes(changelog, "v1.1.0")
	require.NoError(t, err)
	require.Equal(t, "# vault-plugin-apisig 1.1.0 — 2026-01-01\n\n- one\n\n### Changed\n\n- two\n", text)
	text, err = notes(changelog, "v1.0.0")
	require.NoError(t, err)
	require.Equal(t, "# vault-plugin-apisig 1.0.0\n\n- first\n", text)
	_, err = notes(changelog, "v1.1.1")
	require.EqualError(t, err, `CHANGELOG.md has no section "## 1.1.1"`)
}

func TestVersionMustBeSemantic(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]string{
		"nothing":       "",
		"no v":          "1.2.3",
		"two numbers":   "v1.2",
		"a path":        "v1.2.3/../x",
		"a blank after": "v1.2.3 ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, run([]string{"check", "-version", version}), "is no version")
		})
	}
	require.ErrorContains(t, run([]string{"sell", "-version", "v1.2.3"}), "neither build nor check")
}

// A build refuses to overwrite a folder that does not contain a release: DIST may be mistyped.
func TestOtherFoldersAreNotReplaced(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	file := filepath.Join(directory, "precious")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, build(filepath.Join("..", ".."), directory, "v1.2.3", ""), "exists and is no release")
	require.FileExists(t, file)
	require.NoError(t, checkReplaceable(filepath.Join(directory, "new")))
	require.NoError(t, os.WriteFile(filepath.Join(directory, sumsFile), nil, 0o600))
	require.NoError(t, checkReplaceable(directory))
}

func TestSumsNameExactlyTheFiles(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600))
	}
	write("b", "b")
	write("a", "a")
	require.NoError(t, writeSums(directory))
	written, err := os.ReadFile(filepath.Join(directory, sumsFile))
	require.NoError(t, err)
	// As sha256sum prints them.
	require.Equal(t, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a\n"+
		"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b\n", string(written))
	_, err = checkSums(directory)
	require.NoError(t, err)
	write("a", "c")
	_, err = checkSums(directory)
	require.ErrorContains(t, err, "a: the sum is 2e7d")
	write("a", "a")
	write("c", "c")
	_, err = checkSums(directory)
	require.ErrorContains(t, err, "c: the sum is")
	require.NoError(t, os.Remove(filepath.Join(directory, "c")))
	require.NoError(t, os.Remove(filepath.Join(directory, "b")))
	_, err = checkSums(directory)
	require.ErrorContains(t, err, "b is in SHA256SUMS, but not in")
}

// A list of modules belongs to one binary, names all of its modules, and has nothing that differs from machine to
// machine. The binary is this test's own.
func TestSBOMIsThatOfTheBinary(t *testing.T) {
	t.Parallel()
	binary, err := os.Executable()
	require.NoError(t, err)
	sum, err := fileSum(binary)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "sbom.json")
	require.NoError(t, writeSBOM(binary, file, "v1.2.3"))
	require.NoError(t, checkSBOM(binary, sum, file, "v1.2.3"))
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(content), `"github.com/google/go-containerregistry"`)
	for _, changing := range []string{"timestamp", "serialNumber", filepath.Dir(binary)} {
		require.NotContains(t, string(content), changing)
	}

	require.ErrorContains(t, checkSBOM(binary, sum, file, "v1.2.4"), "is of version v1.2.3, not v1.2.4")
	require.ErrorContains(t, checkSBOM(binary, strings.Repeat("0", 64), file, "v1.2.3"), "does not name the sha256")
	list, err := readSBOM(file)
	require.NoError(t, err)
	require.Nil(t, (*list.Metadata.Tools.Tools)[0].Hashes)
	more := cyclonedx.Component{Name: "x", Version: "v1"}
	for name, change := range map[string]func(*[]cyclonedx.Component){
		"fewer":           func(all *[]cyclonedx.Component) { *all = (*all)[1:] },
		"more":            func(all *[]cyclonedx.Component) { *all = append(*all, more) },
		"another version": func(all *[]cyclonedx.Component) { (*all)[0].Version = "v0.0.1" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := readSBOM(file)
			require.NoError(t, err)
			change(list.Components)
			changed := filepath.Join(t.TempDir(), "changed.json")
			output, err := os.Create(changed)
			require.NoError(t, err)
			require.NoError(t, cyclonedx.NewBOMEncoder(output, cyclonedx.BOMFileFormatJSON).Encode(list))
			require.NoError(t, output.Close())
			require.ErrorContains(t, checkSBOM(binary, sum, changed, "v1.2.3"), "was built from")
		})
	}
}

// fakeRelease writes the Linux binaries of a program, which are no programs, and its image. It returns the sums of the
// binaries, and the lines that are published for the image.
func fakeRelease(t *testing.T, directory, content string) (sums map[string]string, digests string) {
	t.Helper()
	sums = map[string]string{}
	for _, on := range platforms {
		name := binaryFile(plugin, "v1.2.3", on)
		require.NoError(t, os.WriteFile(filepath.Join(directory, name), []byte(content+on.arch), 0o600))
		sum, err := fileSum(filepath.Join(directory, name))
		require.NoError(t, err)
		sums[name] = sum
	}
	digests, err := writeImage(directory, programs[0], "v1.2.3")
	require.NoError(t, err)
	return sums, digests
}

func TestImageIsReproducibleAndValid(t *testing.T) {
	t.Parallel()
	one, other := t.TempDir(), filepath.Join(t.TempDir(), "deeper")
	require.NoError(t, os.Mkdir(other, 0o700))
	sums, digests := fakeRelease(t, one, "binary")
	_, again := fakeRelease(t, other, "binary")
	require.Equal(t, digests, again)
	file := imageFile(plugin, "v1.2.3")
	first, err := os.ReadFile(filepath.Join(one, file))
	require.NoError(t, err)
	second, err := os.ReadFile(filepath.Join(other, file))
	require.NoError(t, err)
	require.Equal(t, first, second)
	// The two may have been made in the same second.
	requireNoTimes(t, bytes.NewReader(first))
	layer, err := newLayer([]byte("binary"), plugin)
	require.NoError(t, err)
	content, err := layer.Uncompressed()
	require.NoError(t, err)
	defer content.Close()
	requireNoTimes(t, content)

	found, err := checkImage(filepath.Join(one, file), programs[0], "v1.2.3", sums)
	require.NoError(t, err)
	require.Equal(t, digests, found)
	require.Contains(t, digests, sums[binaryFile(plugin, "v1.2.3", platforms[0])]+"  "+file+": linux/amd64/"+plugin+"\n")
	require.Equal(t, 7, strings.Count(digests, "\n"))
	left, err := filepath.Glob(filepath.Join(one, "image*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func requireNoTimes(t *testing.T, archive io.Reader) {
	t.Helper()
	entries := 0
	for reader := tar.NewReader(archive); ; entries++ {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.Zero(t, header.ModTime.Unix(), header.Name)
		require.Zero(t, header.Uid+header.Gid, header.Name)
	}
	require.Greater(t, entries, 3)
}

func TestImagesDoNotRunAsRoot(t *testing.T) {
	t.Parallel()
	require.Regexp(t, `^[1-9]\d*:[1-9]\d*$`, user)
}

// An image is rejected if it has another binary than the release, and if any byte of it was changed.
func TestChangedImageIsRejected(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	sums, _ := fakeRelease(t, directory, "binary")
	others, _ := fakeRelease(t, t.TempDir(), "another")
	file := filepath.Join(directory, imageFile(plugin, "v1.2.3"))
	_, err := checkImage(file, programs[0], "v1.2.3", others)
	require.ErrorContains(t, err, "not "+others[binaryFile(plugin, "v1.2.3", platforms[0])]+", that of the release's file")
	_, err = checkImage(file, programs[1], "v1.2.3", sums)
	require.ErrorContains(t, err, "runs")

	original, err := os.ReadFile(file)
	require.NoError(t, err)
	reader := strings.NewReader(string(original))
	for entries := tar.NewReader(reader); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if header.Typeflag != tar.TypeReg {
			continue
		}
		// The reader stands at the entry's content.
		position := int(reader.Size()) - reader.Len() + int(header.Size)/2
		changed := append([]byte{}, original...)
		changed[position] ^= 0x01
		require.NoError(t, os.WriteFile(file, changed, 0o600))
		_, err = checkImage(file, programs[0], "v1.2.3", sums)
		require.Error(t, err, header.Name)
	}
}

// The certificates are those that Go's own fallback trusts without limits.
func TestRootsAreCertificates(t *testing.T) {
	t.Parallel()
	require.Greater(t, strings.Count(string(roots()), "-----BEGIN CERTIFICATE-----"), 100)
}
